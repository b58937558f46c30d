//! `madang admin price` and `madang admin budget`.

use clap::{Args, Subcommand, ValueEnum};
use madang_client::Client;
use madang_model::{
    PricedUnit,
    budget::{AtLimit, BudgetLevel, BudgetPeriod},
};
use madang_public_api::{BudgetCreate, BudgetView, Page, PriceCreate, PriceView, Timestamp};

use super::{group::word, noun};
use crate::{args::JsonArgs, exit::Failure, print, print::Cell, usage::money};

#[derive(Debug, Args)]
pub struct PriceArgs {
    #[command(subcommand)]
    command: PriceCommand,
}

#[derive(Debug, Subcommand)]
enum PriceCommand {
    /// Set what a unit costs from now or later on: `price set cpu-hour 0.05 EUR`
    Set {
        /// cpu-hour, memory-gib-hour, accelerator-hour, sandbox-hour, read-gib, written-gib, received-gib or sent-gib
        #[arg(value_parser = unit)]
        unit: PricedUnit,
        /// As in 0.05
        #[arg(value_parser = amount)]
        amount: u64,
        /// Three capital letters, the same for all prices
        currency: String,
        /// From this time on: 2026-01-02T09:00:00Z; now where left out
        #[arg(long, value_parser = word::<Timestamp>)]
        from: Option<Timestamp>,
        #[command(flatten)]
        json: JsonArgs,
    },
    /// List every price there has been and will be
    Ls {
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Take a price back that has not begun
    Rm { price: String },
}

#[derive(Debug, Args)]
pub struct BudgetArgs {
    #[command(subcommand)]
    command: BudgetCommand,
}

#[derive(Debug, Subcommand)]
enum BudgetCommand {
    /// Say what a user or a project may spend: `budget set 5 --per day` keeps your own work under that
    Set(SetArgs),
    /// List budgets and how far they have come
    Ls {
        #[command(flatten)]
        json: JsonArgs,
    },
    /// End a budget
    Rm { budget: String },
}

#[derive(Debug, Args)]
struct SetArgs {
    /// As in 12.50, in the currency of the prices
    #[arg(value_parser = amount)]
    limit: u64,
    #[arg(long, value_enum)]
    per: Per,
    /// Name or id of the user whose work it pays; you where `--project` is left out too
    #[arg(long, conflicts_with = "project")]
    user: Option<String>,
    /// Name or id of the project whose work it pays
    #[arg(long)]
    project: Option<String>,
    /// Warn from this share on, in percent [default: 80]
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=100))]
    warn: Option<u8>,
    /// From this share on new sessions wait behind others and what runs has a quarter of its processors [default: 90]
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=100))]
    throttle: Option<u8>,
    /// What happens once all is spent
    #[arg(long, value_enum, default_value = "stop")]
    then: Then,
    #[command(flatten)]
    json: JsonArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Per {
    Day,
    Month,
    Total,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Then {
    Stop,
    Throttle,
}

fn unit(text: &str) -> Result<PricedUnit, String> {
    PricedUnit::from_name(text).ok_or_else(|| {
        let names: Vec<_> = PricedUnit::ALL.iter().map(|unit| unit.name()).collect();
        format!("it is one of {}", names.join(", "))
    })
}

/// Millionths of what people write: `12`, `12.5`, `0.000001`.
fn amount(text: &str) -> Result<u64, String> {
    let wrong = || "an amount is written as in 12 or 0.05, with six decimals at most".to_owned();
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(part) || part.len() > 6 {
        return Err(wrong());
    }
    let micro: u64 = format!("{part:0<6}").parse().map_err(|_| wrong())?;
    let whole: u64 = whole.parse().map_err(|_| wrong())?;
    whole.checked_mul(1_000_000).and_then(|whole| whole.checked_add(micro)).ok_or_else(wrong)
}

pub async fn price(args: PriceArgs) -> Result<u8, Failure> {
    let client = Client::discover()?;
    let path = noun::path("prices", "", "");
    match args.command {
        PriceCommand::Set { unit, amount, currency, from, json } => {
            let request = PriceCreate { unit, micro: amount, currency, from };
            let view: PriceView = client.post(&path, &request).await?;
            noun::made(&view, &view.id, &json)?;
        }
        PriceCommand::Ls { json } => {
            let page: Page<PriceView> = client.get(&path).await?;
            prices(&page.items, &json)?;
        }
        PriceCommand::Rm { price } => {
            let _: PriceView = client.delete(&noun::path("prices", &price, "")).await?;
        }
    }
    Ok(0)
}

fn prices(prices: &[PriceView], json: &JsonArgs) -> Result<(), Failure> {
    if json.json {
        return print::json(&prices);
    }
    let row = |one: &PriceView| -> Vec<Cell> {
        vec![
            one.id.to_string().into(),
            one.unit.name().into(),
            money(one.micro).into(),
            one.currency.clone().into(),
            one.from.to_string().into(),
            if one.in_force { "now" } else { "" }.into(),
        ]
    };
    let rows: Vec<_> = prices.iter().map(row).collect();
    print::table(&["ID", "UNIT", "PRICE", "CURRENCY", "FROM", "IN FORCE"], &rows)
}

pub async fn budget(args: BudgetArgs) -> Result<u8, Failure> {
    let client = Client::discover()?;
    let path = noun::path("budgets", "", "");
    match args.command {
        BudgetCommand::Set(args) => {
            let view: BudgetView = client.post(&path, &request(&args)).await?;
            noun::made(&view, &view.id, &args.json)?;
        }
        BudgetCommand::Ls { json } => {
            let page: Page<BudgetView> = client.get(&path).await?;
            budgets(&page.items, &json)?;
        }
        BudgetCommand::Rm { budget } => {
            let _: BudgetView = client.delete(&noun::path("budgets", &budget, "")).await?;
        }
    }
    Ok(0)
}

fn request(args: &SetArgs) -> BudgetCreate {
    BudgetCreate {
        user: args.user.clone(),
        project: args.project.clone(),
        period: match args.per {
            Per::Day => BudgetPeriod::Day,
            Per::Month => BudgetPeriod::Month,
            Per::Total => BudgetPeriod::Total,
        },
        limit_micro: args.limit,
        warn_percent: args.warn,
        throttle_percent: args.throttle,
        at_limit: match args.then {
            Then::Stop => AtLimit::Stop,
            Then::Throttle => AtLimit::Throttle,
        },
    }
}

fn budgets(budgets: &[BudgetView], json: &JsonArgs) -> Result<(), Failure> {
    if json.json {
        return print::json(&budgets);
    }
    let row = |one: &BudgetView| -> Vec<Cell> {
        vec![
            one.id.to_string().into(),
            if one.user.is_some() { "user" } else { "project" }.into(),
            one.name.clone().into(),
            one.period.name().into(),
            money(one.limit_micro).into(),
            money(one.spent_micro).into(),
            one.currency.clone().unwrap_or_default().into(),
            print::judged(one.level.name(), one.level <= BudgetLevel::Warned),
        ]
    };
    let rows: Vec<_> = budgets.iter().map(row).collect();
    print::table(&["ID", "OF", "NAME", "PER", "LIMIT", "SPENT", "CURRENCY", "LEVEL"], &rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_as_people_write_them() {
        let good = [("12", 12_000_000), ("0.05", 50_000), ("12.5", 12_500_000), ("0.000001", 1)];
        for (text, micro) in good {
            assert_eq!(amount(text), Ok(micro), "{text}");
        }
        for text in ["", ".", "1.", ".5", "-1", "1e3", "0.0000001", "99999999999999999999"] {
            assert!(amount(text).is_err(), "{text}");
        }
    }
}
