//! From the wish for a session to its settled form: pure.

use std::collections::BTreeSet;

use madang_ids::SessionId;
use madang_model::{
    Limits, OnNodeLoss, Queueing, SessionKind, SessionSpec, session::QUEUED_MS_MAX, session_spec::GROUP_DEFAULT,
};
use madang_node_api::{AppOffered, LanguageSeen, memory_lacking};
use madang_public_api::{Resources, SessionCreate};

use super::{Failure, accelerator, cluster::cluster_asked, network, validate};
use crate::ControlConfig;

/// No session is so short that it could not start.
const TIMEOUT_MS_MIN: u64 = 1_000;
/// Of either sign.
const PRIORITY_MAX: i64 = 1_000;
/// Sessions that one waits for.
const DEPENDS_ON_MAX: usize = 64;
/// How long a session waits that says nothing of it.
const WAIT_MS: u64 = 600_000;

pub(crate) fn session_spec(
    request: &SessionCreate,
    (language, app): (Option<&LanguageSeen>, Option<&AppOffered>),
    config: &ControlConfig,
) -> Result<SessionSpec, Failure> {
    if let Some(name) = &request.name {
        validate::session_name(name)?;
    }
    if request.reuse_if_exists && request.name.is_none() {
        return Err(Failure::invalid("reuse_if_exists", "`reuse_if_exists` needs a `name`"));
    }
    validate::environment(&request.env)?;
    validate::tags(&request.tags)?;
    validate::command("startup_command", request.startup_command.as_deref())?;
    let kind = match request.kind {
        madang_public_api::SessionKind::Interactive => SessionKind::Interactive,
        madang_public_api::SessionKind::Batch => SessionKind::Batch,
    };
    if kind == SessionKind::Batch && request.startup_command.is_none() {
        return Err(Failure::invalid("startup_command", "a batch session needs `startup_command`"));
    }
    let timeout_max = config.session_timeout_ms_max;
    let timeout_ms = duration("timeout_ms", request.timeout_ms, timeout_max, timeout_max)?;
    let idle_default = config.session_idle_ms.min(timeout_max);
    Ok(SessionSpec {
        kind,
        image: validate::image(request.image.as_deref())?,
        language: language.map(|language| language.id.clone()),
        limits: limits(&request.resources, (language, app), &config.limits_max)?,
        accelerators: accelerator::asked(&request.resources.accelerators)?,
        env: request.env.clone(),
        tags: request.tags.clone(),
        startup_command: request.startup_command.clone(),
        timeout_ms,
        suspend_idle_ms: suspend_idle(request.suspend_idle_ms, config)?,
        idle_timeout_ms: duration("idle_timeout_ms", request.idle_timeout_ms, idle_default, timeout_max)?,
        queueing: queueing(request)?,
        cluster: cluster_asked(request.cluster.as_ref())?,
        app: app.map(|app| app.name.clone()),
        network: network::asked(request.network.as_ref())?,
        mounts: Vec::new(),
    })
}

fn queueing(request: &SessionCreate) -> Result<Queueing, Failure> {
    let priority = request.priority.unwrap_or(0);
    if !(-PRIORITY_MAX..=PRIORITY_MAX).contains(&priority) {
        let detail = format!("`priority` is between -{PRIORITY_MAX} and {PRIORITY_MAX}, not {priority}");
        return Err(Failure::invalid("priority", detail));
    }
    accelerator::labels(&request.labels)?;
    validate::at_most("depends_on", request.depends_on.len(), DEPENDS_ON_MAX, "DEPENDS_ON_MAX")?;
    let id = |(index, text): (usize, &String)| {
        let field = format!("depends_on[{index}]");
        text.parse::<SessionId>().map_err(|_| Failure::invalid(field, format!("`{text}` is no id of a session")))
    };
    let depends_on = request.depends_on.iter().enumerate().map(id).collect::<Result<BTreeSet<_>, _>>()?;
    let wait_default = if depends_on.is_empty() { WAIT_MS } else { QUEUED_MS_MAX };
    Ok(Queueing {
        resource_group: request.resource_group.clone().unwrap_or_else(|| GROUP_DEFAULT.to_owned()),
        labels: request.labels.clone(),
        node: None,
        place: None,
        priority,
        depends_on,
        reservation: None,
        wait_ms_max: duration("wait_timeout_ms", request.wait_timeout_ms, wait_default, QUEUED_MS_MAX)?,
        on_node_loss: match request.on_node_loss {
            madang_public_api::OnNodeLoss::End => OnNodeLoss::End,
            madang_public_api::OnNodeLoss::Restart => OnNodeLoss::Restart,
        },
    })
}

fn duration(field: &str, asked: Option<u64>, default: u64, max: u64) -> Result<u64, Failure> {
    let asked = asked.unwrap_or(default);
    if (TIMEOUT_MS_MIN..=max).contains(&asked) {
        return Ok(asked);
    }
    Err(Failure::invalid(field, format!("`{field}` must be between {TIMEOUT_MS_MIN} and {max}, not {asked}")))
}

fn suspend_idle(asked: Option<u64>, config: &ControlConfig) -> Result<Option<u64>, Failure> {
    match asked.unwrap_or(config.session_suspend_idle_ms) {
        0 => Ok(None),
        after => duration("suspend_idle_ms", Some(after), after, config.session_timeout_ms_max).map(Some),
    }
}

/// Said when the session is made: the app would be refused in it.
fn has_room(app: &AppOffered, limits: &Limits) -> Result<(), Failure> {
    match memory_lacking(app.memory_bytes, limits) {
        None => Ok(()),
        Some(wanted) => {
            let why = format!("`memory_bytes` must be {wanted} or more beside the app `{}`, or left out", app.name);
            Err(Failure::invalid("resources.memory_bytes", why))
        }
    }
}

fn limits(
    resources: &Resources,
    (language, app): (Option<&LanguageSeen>, Option<&AppOffered>),
    ceiling: &Limits,
) -> Result<Limits, Failure> {
    let defaults = language.map_or_else(Limits::default, |language| language.limits);
    let defaults = app.map_or(defaults, |app| app.beside(defaults));
    let cpu_millis = match resources.cpu {
        None => defaults.cpu_millis,
        // The bound below is far under what a float counts exactly.
        Some(cpu) if cpu.is_finite() && (0.0..=1e6).contains(&cpu) => (cpu * 1_000.0).round() as u64,
        Some(_) => return Err(Failure::invalid("resources.cpu", "`cpu` is a number of CPUs, not below 0")),
    };
    let limits = Limits {
        cpu_millis,
        memory_bytes: resources.memory_bytes.unwrap_or(defaults.memory_bytes),
        disk_bytes: resources.disk_bytes.unwrap_or(defaults.disk_bytes),
        pids: resources.pids.unwrap_or(defaults.pids),
        ..defaults
    };
    limits.check(ceiling).map_err(|error| {
        let field = if error.field == "cpu_millis" { "cpu" } else { error.field };
        Failure { field: Some(format!("resources.{field}")), ..Failure::from(error) }
    })?;
    app.map_or(Ok(()), |app| has_room(app, &limits))?;
    Ok(limits)
}
