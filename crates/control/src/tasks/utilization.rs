//! Looks at how much of their processors the programs of sessions use, where a policy wants a least. Ending is the reconciler's.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt as _, stream};
use madang_model::{SessionState, SignedInBy, utilization::UtilizationRule};

use super::{Done, TaskPlan};
use crate::app::{App, live_session::LiveSession};

/// Nodes are asked about so many sessions at once.
const ASKED_MAX: usize = 16;

pub(super) fn plan_of(app: &App) -> TaskPlan {
    TaskPlan {
        name: "utilization",
        period: Duration::from_millis(app.config.utilization_ms.max(1)),
        jitter: Duration::ZERO,
        pause: Duration::from_millis(app.config.utilization_ms.clamp(1, 1_000)),
        deadline: Duration::from_secs(120),
    }
}

pub(super) async fn look(app: Arc<App>) -> Done {
    if !app.leadership.leads_any() {
        return Ok("another process leads".into());
    }
    let people = app.people.now();
    let rule = |session: &Arc<LiveSession>| {
        let record = session.record.borrow();
        // How it was asked for is not kept with all of a session's rights; its key is.
        let by = record.access_key.clone().map_or(SignedInBy::Socket, SignedInBy::Key);
        UtilizationRule::of(&people.bounds(&record.owner, &by))
    };
    let sessions: Vec<_> = app.sessions_live().into_iter().map(|session| (rule(&session), session)).collect();
    let watched = sessions.iter().filter(|(rule, _)| rule.is_some()).count();
    let looks = sessions.into_iter().map(|(rule, session)| look_at(&app, session, rule));
    let low = stream::iter(looks).buffer_unordered(ASKED_MAX).filter(|low| std::future::ready(*low)).count().await;
    if low > 0 {
        app.reconcile_soon.notify_one();
    }
    Ok(format!("{watched} sessions have to use something, {low} do not"))
}

/// Whether the session's programs use too little.
async fn look_at(app: &App, session: Arc<LiveSession>, rule: Option<UtilizationRule>) -> bool {
    let record = session.record();
    let SessionState::Running { .. } = record.life.state else {
        // One that is suspended uses nothing and is not to blame for it; what it used before says nothing of what comes.
        if record.life.is_suspended() {
            session.used(None, 0);
        }
        return false;
    };
    if rule.is_none() {
        session.used(None, 0);
        return false;
    }
    // What a node does not say counts neither way.
    let Ok(usage) = app.sandboxes_usage(&record).await else { return session.underused_ends_ms().is_some() };
    let cpu_us = usage.cpu_user_us.saturating_add(usage.cpu_system_us);
    if let Some(low) = session.used(rule, cpu_us) {
        tracing::info!(session = %record.id, permille = low.permille, "a session's programs use too little of it");
        app.session_told(&record);
    }
    session.underused_ends_ms().is_some()
}
