//! Sessions of several sandboxes: what is asked for, what each sandbox is told, what people see. Pure.

use std::collections::BTreeMap;

use madang_ids::SandboxId;
use madang_model::{
    Cluster, ClusterMode,
    cluster::{CLUSTER_SIZE_MAX, sandbox_name, sandbox_role},
};
use madang_public_api::{ClusterCreate, ClusterMode as ModeView, ClusterView, SandboxView};
use madang_store::SessionRecord;

use super::{Failure, validate::shortened};
use crate::{cluster_key::ClusterKey, signin::server_key::ServerKey};

/// Begins the names of what sandboxes of a cluster find in their environment.
const PREFIX: &str = "MADANG_CLUSTER_";

pub(super) fn cluster_asked(asked: Option<&ClusterCreate>) -> Result<Cluster, Failure> {
    let Some(asked) = asked else { return Ok(Cluster::default()) };
    if !(1..=CLUSTER_SIZE_MAX).contains(&asked.size) {
        let detail = format!("a session has 1 to {CLUSTER_SIZE_MAX} sandboxes (CLUSTER_SIZE_MAX), not {}", asked.size);
        return Err(Failure::invalid("cluster.size", detail));
    }
    let mode = match asked.mode {
        // One sandbox is on one node, whatever is said.
        ModeView::MultiNode if asked.size > 1 => ClusterMode::MultiNode,
        _ => ClusterMode::SingleNode,
    };
    Ok(Cluster { size: asked.size, mode })
}

/// None: it has one sandbox, as most have.
pub(super) fn cluster_view(record: &SessionRecord) -> Option<ClusterView> {
    let cluster = record.spec.cluster;
    let sandbox = |(index, (_, node)): (usize, (SandboxId, _))| SandboxView {
        name: sandbox_name(index),
        role: sandbox_role(index).to_owned(),
        index: u32::try_from(index).unwrap_or(u32::MAX),
        node,
    };
    (!cluster.is_one()).then(|| ClusterView {
        size: cluster.size,
        mode: match cluster.mode {
            ClusterMode::SingleNode => ModeView::SingleNode,
            ClusterMode::MultiNode => ModeView::MultiNode,
        },
        sandboxes: record.sandboxes().enumerate().map(sandbox).collect(),
    })
}

/// The sandbox that a request names; the first where it names none.
pub(super) fn sandbox_of(record: &SessionRecord, name: Option<&str>) -> Result<SandboxId, Failure> {
    let Some(name) = name else { return Ok(record.sandbox) };
    let found = record.spec.cluster.index(name).and_then(|index| record.sandboxes().nth(index));
    found.map(|(sandbox, _)| sandbox).ok_or_else(|| Failure::not_found(format!("sandbox {}", shortened(name))))
}

/// What a sandbox is called in messages; nothing where it is the only one.
pub(crate) fn called(record: &SessionRecord, sandbox: SandboxId) -> Option<String> {
    let index = record.sandboxes().position(|(id, _)| id == sandbox)?;
    (!record.spec.cluster.is_one()).then(|| sandbox_name(index))
}

/// What each sandbox finds in its environment, in their order: the user's own, and who is who. The secrets are the same in all of them.
pub(super) fn environments(record: &SessionRecord, key: &ServerKey) -> Vec<BTreeMap<String, String>> {
    let own = &record.spec.env;
    let cluster = record.spec.cluster;
    if cluster.is_one() {
        return vec![own.clone()];
    }
    let secrets = ClusterKey::of(key, record);
    let names = cluster.names();
    let nodes: Vec<_> = record.sandboxes().map(|(_, node)| node).collect();
    let environment = |(index, name): (usize, &String)| {
        let before = nodes.iter().take(index);
        let local_rank = before.filter(|node| Some(*node) == nodes.get(index)).count();
        let words = [
            ("NAME", name.clone()),
            ("ROLE", sandbox_role(index).to_owned()),
            ("INDEX", index.to_string()),
            ("LOCAL_RANK", local_rank.to_string()),
            ("SIZE", cluster.size.to_string()),
            ("MODE", cluster.mode.name().to_owned()),
            ("NAMES", names.join(",")),
            ("TOKEN", secrets.token.clone()),
            ("PRIVATE_KEY", secrets.private_key.clone()),
            ("PUBLIC_KEY", secrets.public_key.clone()),
        ];
        let told = words.into_iter().map(|(word, value)| (format!("{PREFIX}{word}"), value));
        own.clone().into_iter().chain(told).collect()
    };
    names.iter().enumerate().map(environment).collect()
}
