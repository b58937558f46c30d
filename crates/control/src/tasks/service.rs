//! Reads again what another process may have set for the whole service.

use std::{sync::Arc, time::Duration};

use super::{Done, TaskPlan};
use crate::app::App;

pub(super) fn plan_of(app: &App) -> TaskPlan {
    TaskPlan {
        name: "service",
        period: Duration::from_millis(app.config.refresh_ms.max(1)),
        jitter: Duration::ZERO,
        pause: Duration::ZERO,
        deadline: Duration::from_secs(10),
    }
}

pub(super) async fn refresh(app: Arc<App>) -> Done {
    Ok(app.service_refresh().await?.name().to_owned())
}
