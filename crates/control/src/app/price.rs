//! Prices: setting them, and what a session costs at most by them.

use madang_ids::PriceId;
use madang_model::{Price, PricedUnit, SessionSpec, budget::most_in, price::NANO_PER_MICRO};
use madang_public_api::{CostEstimate, PriceCreate, PriceView, Timestamp};
use madang_store::PriceRecord;

use super::{App, Asker, Failure, people::Directory};
use crate::clock::now_ms;

/// Prices that are kept.
const PRICES_MAX: usize = 10_000;
/// Of one unit, in millionths.
const MICRO_MAX: u64 = 1_000_000_000_000_000;
const HOUR_MS: u64 = 3_600_000;

impl Directory {
    /// The one that all prices are in; none where nothing has a price.
    pub fn currency(&self) -> Option<String> {
        self.prices.first().map(|record| record.currency.clone())
    }

    fn price_view(&self, record: &PriceRecord, now_ms: u64) -> PriceView {
        let Price { unit, micro, from_ms } = record.price;
        let begun = |other: &&PriceRecord| other.price.unit == unit && other.price.from_ms <= now_ms;
        let newest = self.prices.iter().filter(begun).map(|other| other.price.from_ms).max();
        PriceView {
            id: record.id,
            unit,
            micro,
            currency: record.currency.clone(),
            from: Timestamp(from_ms),
            in_force: newest == Some(from_ms),
        }
    }
}

impl App {
    /// All that are known, by unit and then by when they begin.
    pub fn price_list(&self) -> Vec<PriceView> {
        let (people, now) = (self.people.now(), now_ms());
        people.prices.iter().map(|record| people.price_view(record, now)).collect()
    }

    pub async fn price_create(&self, asker: &Asker, request: PriceCreate) -> Result<PriceView, Failure> {
        let now = now_ms();
        let from_ms = request.from.map_or(now, |from| from.0);
        if from_ms < now {
            let detail = "what was used is paid by the prices of its time: a price begins now or later";
            return Err(Failure::invalid("from", detail));
        }
        if request.micro > MICRO_MAX {
            return Err(Failure::invalid("micro", format!("a price is at most {MICRO_MAX} (MICRO_MAX)")));
        }
        let letters = request.currency.bytes().all(|byte| byte.is_ascii_uppercase());
        if request.currency.len() != 3 || !letters {
            return Err(Failure::invalid("currency", "a currency is three capital letters, as in EUR"));
        }
        let people = self.people.now();
        if let Some(other) = people.currency().filter(|known| *known != request.currency) {
            return Err(Failure::conflict(format!("prices are in {other}; what costs in two currencies has no sum")));
        }
        if people.prices.len() >= PRICES_MAX {
            return Err(Failure::too_many("PRICES_MAX", PRICES_MAX));
        }
        let record = PriceRecord {
            id: PriceId::new(),
            price: Price { unit: request.unit, micro: request.micro, from_ms },
            currency: request.currency,
            created_by: asker.user,
            created_ms: now,
        };
        self.store.price_insert(&record).await?;
        self.people_changed().await?;
        Ok(self.people.now().price_view(&record, now_ms()))
    }

    /// Takes a price back that has not begun.
    pub async fn price_remove(&self, id: PriceId) -> Result<PriceView, Failure> {
        let (people, now) = (self.people.now(), now_ms());
        let found = people.prices.iter().find(|record| record.id == id);
        let record = found.ok_or_else(|| Failure::not_found(format!("price {id}")))?;
        if record.price.from_ms <= now {
            return Err(Failure::conflict("the price has begun, and what was used is paid by it; set another one"));
        }
        let view = people.price_view(record, now);
        self.store.price_remove(id).await?;
        self.people_changed().await?;
        Ok(view)
    }

    /// None where nothing has a price.
    pub(super) fn cost_estimate(&self, spec: &SessionSpec) -> Option<CostEstimate> {
        let (people, now) = (self.people.now(), now_ms());
        let micro = |ms: u64| people.tariff.cost_nano(&most_in(spec, ms), now) / NANO_PER_MICRO;
        Some(CostEstimate {
            currency: people.currency()?,
            hour_micro_max: micro(HOUR_MS),
            life_micro_max: micro(spec.timeout_ms),
        })
    }
}

/// Whether an hour's work can cost more than an estimate says: what is read, written and sent has no bound.
pub(super) fn is_bounded(people: &Directory, now_ms: u64) -> bool {
    let unbounded = [PricedUnit::ReadGib, PricedUnit::WrittenGib, PricedUnit::ReceivedGib, PricedUnit::SentGib];
    unbounded.into_iter().all(|unit| people.tariff.micro(unit, now_ms).unwrap_or(0) == 0)
}

/// Millionths as people write money.
pub(super) fn written(micro: u64) -> String {
    let text = format!("{}.{:06}", micro / 1_000_000, micro % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_written_without_noise() {
        assert_eq!([written(0), written(5_000_000), written(1_250_000), written(1)], ["0", "5", "1.25", "0.000001"]);
    }
}
