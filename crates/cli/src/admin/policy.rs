//! `madang admin policy`.

use clap::{Args, Subcommand};
use madang_client::{Client, ClientError};
use madang_ids::{ByteSize, Millis};
use madang_model::policy::PolicyLimits;
use madang_public_api::{Page, PolicyView, ProblemKind};
use serde_json::{Map, Value};

use super::noun;
use crate::{args::JsonArgs, exit::Failure, print, print::Cell};

const POLICIES: &str = "policies";

#[derive(Debug, Args)]
pub struct PolicyArgs {
    #[command(subcommand)]
    command: PolicyCommand,
}

#[derive(Debug, Subcommand)]
enum PolicyCommand {
    /// List policies and what they bound
    Ls {
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Show one, a limit a line
    Show {
        policy: String,
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Make a policy, or change one; what is left out stays
    Set(Box<SetArgs>),
    /// Remove a policy that bounds nobody
    Rm { policy: String },
}

#[derive(Debug, Args)]
struct SetArgs {
    policy: String,
    /// Live sessions at once
    #[arg(long, value_name = "N")]
    sessions: Option<u64>,
    /// Live sessions that do not run yet
    #[arg(long, value_name = "N")]
    pending: Option<u64>,
    /// One-shot runs at once
    #[arg(long, value_name = "N")]
    runs: Option<u64>,
    /// Processors of all live sessions together: 1.5
    #[arg(long, value_name = "N", value_parser = crate::args::cpus)]
    cpus: Option<f64>,
    /// Memory of all live sessions together: 64GiB
    #[arg(long, value_name = "SIZE")]
    memory: Option<ByteSize>,
    /// Disk of all live sessions together
    #[arg(long, value_name = "SIZE")]
    disk: Option<ByteSize>,
    /// Lifetime of a session: 8h
    #[arg(long, value_name = "TIME")]
    timeout: Option<Millis>,
    /// Idle time of a session
    #[arg(long, value_name = "TIME")]
    idle_timeout: Option<Millis>,
    /// End sessions whose programs use less of their processors than this
    #[arg(long, value_name = "PERCENT")]
    cpu_least: Option<u64>,
    /// … over so long; half an hour where left out
    #[arg(long, value_name = "TIME")]
    cpu_window: Option<Millis>,
    /// … after a warning for so long; ten minutes where left out
    #[arg(long, value_name = "TIME")]
    cpu_grace: Option<Millis>,
    /// Longest wait of a session for its start
    #[arg(long, value_name = "TIME")]
    wait: Option<Millis>,
    /// Highest priority of a session
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    priority: Option<i64>,
    /// Allow only these images
    #[arg(long, value_name = "IMAGE", value_delimiter = ',')]
    image: Vec<String>,
    /// Allow only these networks of sandboxes: allow-list, internet
    #[arg(long, value_name = "POLICY", value_delimiter = ',')]
    network: Vec<String>,
    /// Allow only these resource groups
    #[arg(long, value_name = "GROUP", value_delimiter = ',')]
    group: Vec<String>,
    /// Take a limit away, by its name in `policy show`
    #[arg(long, value_name = "LIMIT", value_delimiter = ',')]
    without: Vec<String>,
    #[command(flatten)]
    json: JsonArgs,
}

impl SetArgs {
    /// What was said, by the names that the limits have on the wire.
    fn said(&self) -> Map<String, Value> {
        let time = |time: Option<Millis>| time.map(|time| time.0.into());
        let names = |names: &[String]| (!names.is_empty()).then(|| names.into());
        let cpu_millis = self.cpus.map(|cpus| ((cpus * 1_000.0).round() as u64).into());
        let said: [(&str, Option<Value>); 16] = [
            ("sessions_max", self.sessions.map(Value::from)),
            ("sessions_pending_max", self.pending.map(Value::from)),
            ("runs_max", self.runs.map(Value::from)),
            ("cpu_millis_max", cpu_millis),
            ("memory_bytes_max", self.memory.map(|size| size.0.into())),
            ("disk_bytes_max", self.disk.map(|size| size.0.into())),
            ("session_timeout_ms_max", time(self.timeout)),
            ("session_idle_ms_max", time(self.idle_timeout)),
            ("session_wait_ms_max", time(self.wait)),
            ("session_cpu_percent_min", self.cpu_least.map(Value::from)),
            ("session_cpu_window_ms", time(self.cpu_window)),
            ("session_cpu_grace_ms", time(self.cpu_grace)),
            ("priority_max", self.priority.map(Value::from)),
            ("images", names(&self.image)),
            ("networks", names(&self.network)),
            ("resource_groups", names(&self.group)),
        ];
        said.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    }
}

pub async fn run(args: PolicyArgs) -> Result<u8, Failure> {
    let client = Client::discover()?;
    match args.command {
        PolicyCommand::Ls { json } => {
            list(&client.get::<Page<PolicyView>>(&noun::path(POLICIES, "", "")).await?.items, &json)?;
        }
        PolicyCommand::Show { policy, json } => {
            show(&client.get::<PolicyView>(&noun::path(POLICIES, &policy, "")).await?, &json)?;
        }
        PolicyCommand::Set(args) => set(&client, &args).await?,
        PolicyCommand::Rm { policy } => {
            let _: Value = client.delete(&noun::path(POLICIES, &policy, "")).await?;
        }
    }
    Ok(0)
}

async fn set(client: &Client, args: &SetArgs) -> Result<(), Failure> {
    let path = noun::path(POLICIES, &args.policy, "");
    let before = match client.get::<PolicyView>(&path).await {
        Ok(view) => view.limits,
        Err(ClientError::Refused(problem)) if problem.code == ProblemKind::NotFound.code() => PolicyLimits::default(),
        Err(error) => return Err(error.into()),
    };
    let mut limits = fields(&before)?;
    limits.extend(args.said());
    for limit in &args.without {
        // One that was never there may be a slip; one that is not there any more is not.
        if limits.remove(limit).is_none() && !known(limit) {
            return Err(Failure::usage(format!("there is no limit `{limit}`")));
        }
    }
    show(&client.put::<PolicyView>(&path, &limits).await?, &args.json)
}

fn fields(limits: &PolicyLimits) -> Result<Map<String, Value>, Failure> {
    match serde_json::to_value(limits) {
        Ok(Value::Object(fields)) => Ok(fields),
        _ => Err(Failure::internal("a policy's limits have names")),
    }
}

/// Whether a policy has such a limit: others are refused by name.
fn known(limit: &str) -> bool {
    let one = Value::Object([(limit.to_owned(), Value::Null)].into_iter().collect());
    serde_json::from_value::<PolicyLimits>(one).is_ok()
}

fn show(policy: &PolicyView, json: &JsonArgs) -> Result<(), Failure> {
    if json.json {
        return print::json(policy);
    }
    let rows: Vec<Vec<Cell>> = fields(&policy.limits)?
        .iter()
        .map(|(name, value)| vec![name.clone().into(), shown(name, value).into()])
        .collect();
    print::table(&["LIMIT", &policy.name], &rows)
}

fn list(policies: &[PolicyView], json: &JsonArgs) -> Result<(), Failure> {
    if json.json {
        return print::json(&policies);
    }
    let mut rows: Vec<Vec<Cell>> = Vec::new();
    for policy in policies {
        let limits = fields(&policy.limits)?;
        let limits: Vec<_> = limits.iter().map(|(name, value)| format!("{name}={}", shown(name, value))).collect();
        rows.push(vec![policy.name.clone().into(), limits.join(" ").into()]);
    }
    print::table(&["POLICY", "LIMITS"], &rows)
}

/// A value with the unit that its limit's name says.
fn shown(name: &str, value: &Value) -> String {
    match value {
        Value::Number(number) => match number.as_u64() {
            Some(bytes) if name.contains("_bytes") => ByteSize(bytes).to_string(),
            Some(ms) if name.contains("_ms") => Millis(ms).to_string(),
            _ => number.to_string(),
        },
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}
