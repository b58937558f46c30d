//! What queues know of reservations.

use std::collections::BTreeSet;

use madang_ids::{NodeId, ReservationId};
use madang_schedule::{Amount, Refusal, ReservationState};
use madang_store::{ReservationRecord, SessionRecord};

use super::{fleet::Fleet, queue::Queue, reservation::scheduled};
use crate::clock::now_ms;

impl Queue {
    pub fn reserve(&self, fleet: &Fleet, record: &ReservationRecord) -> Result<(), Refusal> {
        let mut lines = self.lines();
        lines.nodes_look(fleet);
        lines.group(&record.resource_group).reserve(scheduled(record), now_ms())?;
        lines.reservations.insert(record.id, record.clone());
        Ok(())
    }

    pub fn reservation_end(&self, id: ReservationId) {
        let mut lines = self.lines();
        if let Some(record) = lines.reservations.remove(&id) {
            lines.group(&record.resource_group).reservation_end(id);
        }
    }

    pub fn reservations(&self) -> Vec<ReservationRecord> {
        self.lines().reservations.values().cloned().collect()
    }

    pub fn reservation_state(&self, record: &ReservationRecord) -> Option<ReservationState> {
        self.lines().groups.get(&record.resource_group)?.reservation_state(record.id)
    }

    /// As the store has them: what is not known is promised as far as can be, what is not there any more is promised no more.
    pub fn reservations_set(&self, fleet: &Fleet, records: Vec<ReservationRecord>) {
        let ids: BTreeSet<_> = records.iter().map(|record| record.id).collect();
        let gone: Vec<_> = self.lines().reservations.keys().filter(|id| !ids.contains(id)).copied().collect();
        gone.into_iter().for_each(|id| self.reservation_end(id));
        let mut lines = self.lines();
        lines.nodes_look(fleet);
        for record in records {
            if !lines.reservations.contains_key(&record.id) {
                lines.group(&record.resource_group).reservation_restore(scheduled(&record), now_ms());
                lines.reservations.insert(record.id, record);
            }
        }
    }

    /// Lets a new session use a reservation of its project for what it is, that holds now and has slots left.
    /// It ends with the reservation: what is promised to the next one is there then.
    pub fn reservation_use(&self, session: &mut SessionRecord) {
        let now = now_ms();
        if let Some((id, ends_ms)) = self.reservation_for(session, now) {
            session.spec.queueing.reservation = Some(id);
            session.spec.timeout_ms = session.spec.timeout_ms.min(ends_ms.saturating_sub(now));
        }
    }

    fn reservation_for(&self, session: &SessionRecord, now: u64) -> Option<(ReservationId, u64)> {
        let lines = self.lines();
        let spec = &session.spec;
        let amount = |limits: &madang_model::Limits| Amount {
            cpu_millis: limits.cpu_millis,
            memory_bytes: limits.memory_bytes,
            disk_bytes: limits.disk_bytes,
        };
        let suits = |record: &&ReservationRecord| {
            (record.starts_ms..record.ends_ms).contains(&now)
                && record.owner.project == session.owner.project
                && record.resource_group == spec.queueing.resource_group
                && (&record.image, &record.language) == (&spec.image, &spec.language)
                // Nobody reserves accelerators or labels.
                && spec.accelerators.is_empty()
                && spec.queueing.labels.is_empty()
                && amount(&record.limits).holds(&amount(&spec.limits))
        };
        let left = |record: &&ReservationRecord| {
            let group = lines.groups.get(&record.resource_group);
            let state = group.and_then(|group| group.reservation_state(record.id));
            state.is_some_and(|state| state.used.saturating_add(spec.cluster.size) <= state.promised)
        };
        lines.reservations.values().filter(suits).find(left).map(|record| (record.id, record.ends_ms))
    }

    /// Slots that shall wait: by node, image and language.
    pub fn pools_wanted(&self, lead_ms: u64) -> Vec<((NodeId, String, String), u32)> {
        let now = now_ms();
        let lines = self.lines();
        let mut wanted = Vec::new();
        for (node, pools) in lines.groups.values().flat_map(|group| group.pools_wanted(now, lead_ms)) {
            for (pool, slots) in pools {
                let (image, language) = pool.rsplit_once('/').unwrap_or((&pool, ""));
                wanted.push(((node, image.to_owned(), language.to_owned()), u32::try_from(slots).unwrap_or(u32::MAX)));
            }
        }
        wanted
    }
}
