//! Hears what nodes have read of their sandboxes, keeps it, and tells them so. At least once: the store counts each reading once.
//!
//! One task for each node, so that one that says nothing keeps nobody waiting.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use madang_ids::NodeId;
use madang_node_api::Node;
use tokio_util::task::AbortOnDropHandle;

use super::{Done, TaskPlan};
use crate::app::{App, Failure};

/// How soon somebody listens to a node that has just joined.
pub(super) const PLAN: TaskPlan = TaskPlan {
    name: "readings",
    period: Duration::from_millis(500),
    jitter: Duration::ZERO,
    pause: Duration::ZERO,
    deadline: Duration::from_secs(10),
};
/// Between two batches of a node, so that many readings share a transaction.
const GATHER: Duration = Duration::from_millis(200);
/// Before the next try where the node or the database does not answer.
const AGAIN: Duration = Duration::from_secs(1);

/// Who listens to which node.
#[derive(Clone, Default)]
pub(super) struct Listeners {
    by_node: Arc<Mutex<BTreeMap<NodeId, Listener>>>,
}

struct Listener {
    node: Arc<dyn Node>,
    task: AbortOnDropHandle<()>,
}

impl Listeners {
    /// Somebody listens to each node of the groups that this process leads, and to nobody else.
    pub async fn run(self, app: Arc<App>) -> Done {
        let mut listeners = self.by_node.lock().unwrap_or_else(PoisonError::into_inner);
        let mut members = app.fleet.members();
        members.retain(|member| app.leads(&member.group));
        let stays = |id: &NodeId, listener: &Listener| {
            let same = |node: &Arc<dyn Node>| Arc::ptr_eq(node, &listener.node);
            !listener.task.is_finished() && members.iter().any(|member| member.id == *id && same(&member.node))
        };
        listeners.retain(|id, listener| stays(id, listener));
        for member in &members {
            listeners.entry(member.id).or_insert_with(|| {
                let node = Arc::clone(&member.node);
                let task = tokio::spawn(listen(Arc::clone(&app), member.id, Arc::clone(&node)));
                Listener { node, task: AbortOnDropHandle::new(task) }
            });
        }
        Ok(format!("listens to {} nodes", listeners.len()))
    }
}

async fn listen(app: Arc<App>, id: NodeId, node: Arc<dyn Node>) {
    loop {
        let pause = match hear(&app, id, &*node).await {
            Ok(()) => GATHER,
            Err(failure) => {
                tracing::debug!(node = %id, error = ?failure, "what a node has read is asked for again");
                AGAIN
            }
        };
        tokio::time::sleep(pause).await;
    }
}

async fn hear(app: &App, id: NodeId, node: &dyn Node) -> Result<(), Failure> {
    let readings = node.readings().await?;
    let kept = app.usage_take(id, &readings).await?;
    Ok(node.readings_ack(&kept).await?)
}
