//! Reservations: promised by the scheduler or refused, kept in the store, made ready by the nodes' pools before their time.

use std::{collections::BTreeMap, sync::Arc};

use futures_util::future::join_all;
use madang_ids::{NodeId, ReservationId};
use madang_model::{Actor, Owner};
use madang_node_api::PoolWanted;
use madang_public_api::{
    ProblemKind, ReservationCreate, ReservationPossible, ReservationView, SessionCreate, Timestamp,
};
use madang_schedule::{Amount, Refusal, ReservationState, Want};
use madang_store::ReservationRecord;

use super::{
    App, Failure, GROUP_DEFAULT, failure::Unkeepable, live_session::resources_view, session_plan::session_spec,
};
use crate::clock::now_ms;

/// Reservations that are not over.
const RESERVATIONS_MAX: usize = 1_000;
/// The longest time that one reservation is for.
const LASTS_MS_MAX: u64 = 30 * 86_400_000;
/// So long before its time the pools are filled: hundreds of interpreters need minutes on a small machine.
const FILL_MS: u64 = 600_000;

/// Slots that nodes have been told to keep waiting.
pub(crate) type PoolsTold = BTreeMap<(NodeId, String, String), u32>;

impl App {
    /// Promises the slots, or says how many could be.
    pub async fn reservation_create(
        &self,
        actor: &Actor,
        request: ReservationCreate,
    ) -> Result<ReservationView, Failure> {
        let record = self.reservation_record(actor, &request)?;
        self.resource_group(&record.resource_group).map_err(|_| {
            Failure::invalid("resource_group", format!("there is no resource group `{}`", record.resource_group))
        })?;
        let _one_at_a_time = self.queue.reserving.lock().await;
        if self.queue.reservations().len() >= RESERVATIONS_MAX {
            return Err(Failure::too_many("RESERVATIONS_MAX", RESERVATIONS_MAX));
        }
        self.queue.reserve(&self.fleet, &record).map_err(|refusal| unkeepable(&refusal, record.slots))?;
        if let Err(error) = self.store.reservation_insert(&record).await {
            self.queue.reservation_end(record.id);
            return Err(error.into());
        }
        self.queue.wake.notify_one();
        Ok(self.reservation_view(&record))
    }

    /// Those that are not over and that the actor may see, the first to begin first.
    pub async fn reservation_list(&self, actor: &Actor) -> Result<Vec<ReservationView>, Failure> {
        let sight = actor.sight();
        let mine = |owner: &Owner| sight.shows(owner) || actor.projects.contains_key(&owner.project);
        let mut records = self.store.reservation_list(now_ms()).await?;
        records.retain(|record| mine(&record.owner));
        records.sort_by_key(|record| (record.starts_ms, record.id));
        Ok(records.iter().map(|record| self.reservation_view(record)).collect())
    }

    /// Takes a reservation back; sessions that use it stay.
    pub async fn reservation_end(&self, id: ReservationId) -> Result<ReservationView, Failure> {
        let _one_at_a_time = self.queue.reserving.lock().await;
        let record = self.queue.reservations().into_iter().find(|record| record.id == id);
        let record = record.ok_or_else(|| Failure::not_found(format!("reservation {id}")))?;
        let view = self.reservation_view(&record);
        self.store.reservation_remove(id).await?;
        self.queue.reservation_end(id);
        self.queue.wake.notify_one();
        Ok(view)
    }

    /// As the store has them.
    pub async fn reservations_refresh(&self) -> Result<(), Failure> {
        let _one_at_a_time = self.queue.reserving.lock().await;
        let mut records = self.store.reservation_list(now_ms()).await?;
        records.retain(|record| self.takes_nodes_of(&record.resource_group));
        self.queue.reservations_set(&self.fleet, records);
        Ok(())
    }

    /// Tells the nodes how many slots shall wait for reservations that hold or begin soon. What a node does not hear it is told again.
    pub async fn pools_tell(&self) {
        let wanted = self.queue.pools_wanted(FILL_MS);
        let mut told = self.queue.pools_told.lock().await;
        let mut changes: PoolsTold = told.keys().map(|key| (key.clone(), 0)).collect();
        changes.extend(wanted);
        changes.retain(|key, slots| told.get(key) != Some(slots));
        let tell = |(key, slots): ((NodeId, String, String), u32)| async move {
            let (node, image, language) = &key;
            let member = self.fleet.of(*node)?;
            let language = (!language.is_empty()).then(|| language.clone());
            let asked = PoolWanted { image: image.clone(), language, slots };
            match member.node.pool_want(asked).await {
                Ok(()) => Some((key, slots)),
                Err(error) => {
                    tracing::warn!(node = member.name, %error, "a pool could not be told what a reservation needs");
                    None
                }
            }
        };
        for (key, slots) in join_all(changes.into_iter().map(tell)).await.into_iter().flatten() {
            match slots {
                0 => drop(told.remove(&key)),
                slots => drop(told.insert(key, slots)),
            }
        }
        told.retain(|(node, ..), _| self.fleet.of(*node).is_some());
    }

    fn reservation_record(&self, actor: &Actor, request: &ReservationCreate) -> Result<ReservationRecord, Failure> {
        let now = now_ms();
        let (starts_ms, ends_ms) = (request.starts_at.0.max(now), request.ends_at.0);
        if ends_ms <= starts_ms || ends_ms - starts_ms > LASTS_MS_MAX {
            let detail = format!("`ends_at` is after `starts_at` and now, by {LASTS_MS_MAX} ms at most");
            return Err(Failure::invalid("ends_at", detail));
        }
        let language = request.language.as_deref().map(|id| self.languages.find(&*self.node, id)).transpose()?;
        // A slot is as large as a session of the same words.
        let session = SessionCreate {
            image: request.image.clone(),
            resources: request.resources.clone(),
            ..SessionCreate::default()
        };
        let spec = session_spec(&session, (language.as_ref(), None), &self.config)?;
        Ok(ReservationRecord {
            id: ReservationId::new(),
            resource_group: request.resource_group.clone().unwrap_or_else(|| GROUP_DEFAULT.to_owned()),
            owner: self.reservation_owner(actor, request.project.as_deref())?,
            image: spec.image,
            language: spec.language,
            limits: spec.limits,
            slots: request.slots,
            starts_ms,
            ends_ms,
        })
    }

    /// Also for a project that whoever reserves is not in.
    fn reservation_owner(&self, actor: &Actor, project: Option<&str>) -> Result<Owner, Failure> {
        let people = self.people.now();
        let by_id = project.and_then(|text| text.parse().ok()).and_then(|id| people.projects.get(&id));
        match by_id {
            Some(project) => Ok(Owner { user: actor.user, project: project.id, organization: project.organization }),
            None => people.owner(actor, project),
        }
    }

    fn reservation_view(&self, record: &ReservationRecord) -> ReservationView {
        let state = self.queue.reservation_state(record).unwrap_or_else(nothing);
        // What nodes call a pool without an interpreter.
        let pool = format!("{}/{}", record.image, record.language.as_deref().unwrap_or("plain"));
        let nodes = state.nodes.keys().filter_map(|id| self.fleet.of(*id));
        let ready = nodes.map(|member| member.node.health().pool_ready.get(&pool).copied().unwrap_or(0)).sum();
        ReservationView {
            id: record.id,
            resource_group: record.resource_group.clone(),
            project: record.owner.project,
            owner: record.owner.user,
            image: record.image.clone(),
            language: record.language.clone(),
            resources: resources_view(&record.limits),
            slots: record.slots,
            starts_at: Timestamp(record.starts_ms),
            ends_at: Timestamp(record.ends_ms),
            promised: state.promised,
            used: state.used,
            ready,
        }
    }
}

fn nothing() -> ReservationState {
    ReservationState { promised: 0, used: 0, nodes: BTreeMap::new() }
}

fn unkeepable(refusal: &Refusal, asked: u32) -> Failure {
    match refusal {
        Refusal::Senseless(why) => Failure::invalid("slots", *why),
        Refusal::TooMany { possible, starts_ms } => {
            let possible = ReservationPossible { slots: *possible, starts_at: starts_ms.map(Timestamp) };
            let later =
                possible.starts_at.map(|at| format!("; all of them from {at} on, if sessions end when they must"));
            let later = later.unwrap_or_default();
            let detail = format!("{asked} slots cannot be promised for this time, {} could be{later}", possible.slots);
            Failure { source: Some(Arc::new(Unkeepable(possible))), ..Failure::new(ProblemKind::Unkeepable, detail) }
        }
    }
}

/// A reservation in the scheduler's words.
pub(super) fn scheduled(record: &ReservationRecord) -> madang_schedule::Reservation {
    let limits = &record.limits;
    let amount =
        Amount { cpu_millis: limits.cpu_millis, memory_bytes: limits.memory_bytes, disk_bytes: limits.disk_bytes };
    madang_schedule::Reservation {
        id: record.id,
        starts_ms: record.starts_ms,
        ends_ms: record.ends_ms,
        slots: record.slots,
        want: Want { amount, devices: Vec::new() },
        image: record.image.clone(),
        language: record.language.clone().unwrap_or_default(),
    }
}
