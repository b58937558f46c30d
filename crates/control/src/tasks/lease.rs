//! Leading: takes the leases of groups, and takes them again in time. Where there is one process there is nothing to do.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use madang_store::ControlHello;

use super::{Done, TaskPlan};
use crate::app::{
    App, GROUP_DEFAULT,
    leadership::{Change, LEASE_MS, lease_name},
};

/// Three tries fit into a lease; one that hangs is given up before the lease ends.
pub(super) const PLAN: TaskPlan = TaskPlan {
    name: "lease",
    period: Duration::from_millis(800),
    jitter: Duration::from_millis(100),
    pause: Duration::ZERO,
    deadline: Duration::from_secs(2),
};
/// A process that has not said for so long that it is there is gone.
const GONE_MS: u64 = 60_000;

pub(crate) async fn hold_leases(app: Arc<App>) -> Done {
    if app.leadership.is_alone() {
        return Ok("this process is alone".into());
    }
    take_all(&app).await
}

/// At the start: whoever finds nobody leading answers only once it does.
pub(crate) async fn lead_first(app: &Arc<App>) -> Done {
    let mut held = hold_leases(Arc::clone(app)).await?;
    while app.leadership.is_taking_up(GROUP_DEFAULT) {
        app.leadership.leader_within(GROUP_DEFAULT, PLAN.period).await;
        held = hold_leases(Arc::clone(app)).await?;
    }
    Ok(held)
}

/// Where the database does not answer nothing changes here: what was granted holds for its time, and what is in memory as long as
/// nobody else leads.
async fn take_all(app: &Arc<App>) -> Done {
    let us = app.leadership.us();
    let hello = ControlHello {
        id: us,
        address: app.config.advertise.clone(),
        nodes_address: app.config.nodes_advertise.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    app.store.control_process_seen(&hello).await?;
    let mut ours = 0;
    let groups = app.groups();
    for group in &groups {
        let asked = Instant::now();
        match app.store.lease_take(&lease_name(group), us, LEASE_MS).await? {
            Some(lease) => {
                ours += 1;
                obey(app, group, app.leadership.taken(group, lease, asked));
            }
            None => {
                let views = app.store.lease_list().await?;
                if let Some(theirs) = views.iter().find(|view| view.lease.name == lease_name(group)) {
                    obey(app, group, app.leadership.not_taken(group, theirs));
                }
            }
        }
    }
    app.store.control_process_forget(GONE_MS, None).await?;
    Ok(format!("leads {ours} of {} groups", groups.len()))
}

fn obey(app: &Arc<App>, group: &str, change: Change) {
    match change {
        Change::None => {}
        Change::Lost => app.group_let_go(group),
        Change::Gained => {
            let Some(fence) = app.leadership.fence(group) else { return };
            let (app, group) = (Arc::clone(app), group.to_owned());
            // Beside this task: with many sessions it takes longer than the lease lasts.
            tokio::spawn(async move {
                if let Err(failure) = app.group_take_up(&group, fence.term).await {
                    tracing::error!(group, error = ?failure, "what the leader before left behind could not be read");
                    // Under another term the next try begins anew.
                    app.leadership_end().await;
                }
            });
        }
    }
}
