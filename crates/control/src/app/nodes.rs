//! Nodes and the tokens that let them join: what administrators see of them and do with them, and how those that are known come into the
//! fleet.

use std::sync::Arc;

use madang_ids::{NodeId, TokenId};
use madang_model::{OnNodeLoss, SessionEvent};
use madang_node_api::{DeviceSeen, Presence};
use madang_node_link::{JoinToken, RemoteNode};
use madang_public_api::{
    Timestamp,
    node::{
        DeviceView, NODE_TOKEN_TTL_MS_MAX, NODE_TOKEN_TTL_MS_MIN, NODE_TOKEN_USES_MAX, NodeChange, NodePresence,
        NodeState, NodeTokenCreate, NodeTokenMade, NodeTokenView, NodeView,
    },
};
use madang_store::{Hint, NodeRecord, NodeTokenRecord};

use super::{
    App, Failure, LOCAL,
    fleet::{Member, MemberState},
    live_session::{LiveSession, Observed},
};
use crate::{clock::now_ms, entrance::Entrance};

/// Tokens that let somebody in at once.
const TOKENS_MAX: usize = 1_000;

impl App {
    fn entrance(&self) -> Result<&Entrance, Failure> {
        let closed = || Failure::conflict("this server takes no nodes from elsewhere: start it with --nodes-listen");
        self.entrance.get().ok_or_else(closed)
    }

    /// Every node that has joined is one of ours before any of them dials.
    pub async fn nodes_take_in(&self, leads: impl Fn(&str) -> bool) -> Result<(), madang_store::StoreError> {
        let Some(entrance) = self.entrance.get() else { return Ok(()) };
        let joined = self.store.node_list_joined().await?;
        for record in joined.into_iter().filter(|record| leads(&record.resource_group)) {
            let node = entrance.hub.node(record.id);
            self.node_take_in(record, node);
        }
        Ok(())
    }

    /// A node of ours has a link, or will have.
    pub fn node_take_in(&self, record: NodeRecord, node: Arc<RemoteNode>) {
        // One that is there already goes on under its newest record.
        self.fleet.join(Member::of(record, node));
    }

    /// Another process leads now: the links belong there.
    pub fn nodes_let_go(&self, of: impl Fn(&str) -> bool) {
        let theirs = |member: &Member| member.name != LOCAL && of(&member.group);
        for member in self.fleet.members().into_iter().filter(theirs) {
            self.node_cut(member.id);
        }
    }

    /// Here nobody knows the node any more.
    pub fn node_cut(&self, id: NodeId) {
        if let Some(entrance) = self.entrance.get() {
            entrance.cut(id);
            self.fleet.leave(id);
        }
    }

    /// All that are known, by name.
    pub async fn node_views(&self) -> Result<Vec<NodeView>, Failure> {
        Ok(self.store.node_list().await?.into_iter().map(|record| self.node_view(record)).collect())
    }

    pub async fn node_get(&self, id: NodeId) -> Result<NodeView, Failure> {
        Ok(self.node_view(self.node_record(id).await?))
    }

    async fn node_record(&self, id: NodeId) -> Result<NodeRecord, Failure> {
        self.store.node_get(id).await?.ok_or_else(|| Failure::not_found(format!("node {id}")))
    }

    /// Cordons, drains, or opens a node again.
    pub async fn node_change(&self, id: NodeId, change: NodeChange) -> Result<NodeView, Failure> {
        let before = self.node_record(id).await?;
        let state = match change.state {
            NodeState::Schedulable => MemberState::Schedulable,
            NodeState::Cordoned => MemberState::Cordoned,
            NodeState::Draining => MemberState::Draining,
        };
        let record = NodeRecord { state: state.name().to_owned(), ..before };
        self.store.node_update(&record).await?;
        self.fleet.state_set(id, state);
        self.store.hint(Hint::Node(id));
        self.reconcile_soon.notify_one();
        Ok(self.node_view(record))
    }

    /// Forgets a node: its certificates are worth nothing from now on. Sessions that are on it end as lost, or start elsewhere once
    /// they cannot run there any more.
    pub async fn node_remove(self: &Arc<Self>, id: NodeId, with_sessions: WithSessions) -> Result<NodeView, Failure> {
        let view = self.node_get(id).await?;
        if self.fleet.of(id).is_some_and(|member| member.name == LOCAL) {
            return Err(Failure::conflict("this node is the server's own"));
        }
        let here = self.sessions_on(id);
        if !here.is_empty() && with_sessions == WithSessions::Refuse {
            let detail = format!("{} sessions are on it: drain it first, or say `force`", here.len());
            return Err(Failure::conflict(detail));
        }
        if !self.store.node_remove(id).await? {
            return Err(Failure::not_found(format!("node {id}")));
        }
        if let Some(entrance) = self.entrance.get() {
            entrance.cut(id);
        }
        self.fleet.remove(id);
        self.store.hint(Hint::Node(id));
        for session in here.into_iter().filter(|session| session.record().spec.queueing.on_node_loss == OnNodeLoss::End)
        {
            let lost = SessionEvent::SandboxLost { why: "its node was removed".to_owned() };
            self.session_apply(&session, &lost, Observed::default()).await?;
        }
        self.reconcile_soon.notify_one();
        Ok(view)
    }

    fn sessions_on(&self, id: NodeId) -> Vec<Arc<LiveSession>> {
        let on_it = |session: &Arc<LiveSession>| session.record().is_on(id);
        self.sessions_live().into_iter().filter(on_it).collect()
    }

    fn node_view(&self, record: NodeRecord) -> NodeView {
        let member = self.fleet.of(record.id);
        let (presence, silent_since) = match member.as_ref().map(Member::presence) {
            Some(Presence::Here) => (NodePresence::Here, None),
            Some(Presence::Silent { since_ms, .. }) => (NodePresence::Silent, Some(Timestamp(since_ms))),
            Some(Presence::Unheard) | None => (NodePresence::Unheard, None),
        };
        let facts = member.as_ref().map(|member| member.node.facts()).unwrap_or_default();
        let sandboxes = member.as_ref().map_or(0, |member| member.node.sandboxes().len() as u64);
        NodeView {
            id: record.id,
            name: record.name,
            resource_group: record.resource_group,
            state: match MemberState::from_name(&record.state).unwrap_or(MemberState::Cordoned) {
                MemberState::Schedulable => NodeState::Schedulable,
                MemberState::Cordoned => NodeState::Cordoned,
                MemberState::Draining => NodeState::Draining,
            },
            presence,
            silent_since,
            joined_at: Timestamp(record.created_ms),
            version: facts.version,
            system: [facts.os, facts.os_version, facts.arch].join(" ").trim().to_owned(),
            cpu_millis: facts.cpu_millis,
            memory_bytes: facts.memory_bytes,
            labels: facts.labels,
            devices: facts.devices.into_iter().map(device).collect(),
            sandboxes,
            sessions: self.sessions_on(record.id).len() as u64,
        }
    }

    pub async fn node_token_create(&self, request: NodeTokenCreate) -> Result<NodeTokenMade, Failure> {
        let entrance = self.entrance()?;
        let NodeTokenCreate { uses, ttl_ms, resource_group } = request;
        if !(1..=NODE_TOKEN_USES_MAX).contains(&uses) {
            return Err(Failure::invalid("uses", format!("`uses` is 1 to {NODE_TOKEN_USES_MAX}")));
        }
        if !(NODE_TOKEN_TTL_MS_MIN..=NODE_TOKEN_TTL_MS_MAX).contains(&ttl_ms) {
            let detail = format!("`ttl_ms` is {NODE_TOKEN_TTL_MS_MIN} to {NODE_TOKEN_TTL_MS_MAX}");
            return Err(Failure::invalid("ttl_ms", detail));
        }
        self.resource_groups_refresh().await?;
        self.resource_group(&resource_group).map_err(|_| {
            Failure::invalid("resource_group", format!("there is no resource group `{resource_group}`"))
        })?;
        let now = now_ms();
        self.store.node_token_prune(now).await?;
        if self.store.node_token_list(now).await?.len() >= TOKENS_MAX {
            return Err(Failure::too_many("NODE_TOKENS_MAX", TOKENS_MAX));
        }
        let token = JoinToken::make(entrance.authority)
            .map_err(|error| Failure::internal("making a token", std::io::Error::other(error)))?;
        let record = NodeTokenRecord {
            id: TokenId::new(),
            hash: JoinToken::hash(token.secret()),
            resource_group,
            uses_left: u64::from(uses),
            created_ms: now,
            expires_ms: now.saturating_add(ttl_ms),
        };
        self.store.node_token_insert(&record).await?;
        let (secret, join) = (token.to_string(), self.config.nodes_advertise.clone());
        Ok(NodeTokenMade { token: token_view(record), secret, join })
    }

    /// Tokens that still let somebody in.
    pub async fn node_token_views(&self) -> Result<Vec<NodeTokenView>, Failure> {
        Ok(self.store.node_token_list(now_ms()).await?.into_iter().map(token_view).collect())
    }

    pub async fn node_token_remove(&self, id: TokenId) -> Result<NodeTokenView, Failure> {
        let not_found = || Failure::not_found(format!("token {id}"));
        let view = self.node_token_views().await?.into_iter().find(|view| view.id == id).ok_or_else(not_found)?;
        if self.store.node_token_remove(id).await? { Ok(view) } else { Err(not_found()) }
    }
}

/// What becomes of a node's removal while sessions are on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WithSessions {
    Refuse,
    GiveUp,
}

fn token_view(record: NodeTokenRecord) -> NodeTokenView {
    NodeTokenView {
        id: record.id,
        resource_group: record.resource_group,
        uses_left: record.uses_left,
        created_at: Timestamp(record.created_ms),
        expires_at: Timestamp(record.expires_ms),
    }
}

fn device(seen: DeviceSeen) -> DeviceView {
    let DeviceSeen { id, kind, model, memory_bytes, shares } = seen;
    DeviceView { id, kind, model, memory_bytes, shares }
}
