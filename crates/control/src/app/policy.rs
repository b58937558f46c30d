//! Policies: which bound a piece of work, and what they have against it. All that apply must hold.

use std::sync::Arc;

use madang_model::{
    Actor, Network, Owner, SignedInBy,
    policy::{Bound, DEFAULT_POLICY, Holder, PolicyLimits, Refusal, RunWish},
};
use madang_node_api::SandboxSpec;
use madang_public_api::{PolicyView, ProblemKind, Timestamp};
use madang_store::PolicyRecord;

use super::{App, Failure, failure::Refusals, people::Directory, validate};
use crate::clock::now_ms;

/// Names in one list of a policy.
const LIST_MAX: usize = 1_000;

impl Directory {
    /// The bounds on work of this owner, asked for by this actor.
    pub fn bounds(&self, owner: &Owner, by: &SignedInBy) -> Vec<Bound> {
        let user = self.users.get(&owner.user).and_then(|user| user.policy.as_deref()).unwrap_or(DEFAULT_POLICY);
        let project = self.projects.get(&owner.project).and_then(|project| project.policy.as_deref());
        let organization = self.organizations.get(&owner.organization).and_then(|known| known.policy.as_deref());
        let key = match by {
            SignedInBy::Key(id) => self
                .access_keys
                .get(id)
                .and_then(|key| key.policy.as_deref())
                .map(|policy| (Holder::Key(id.clone()), policy)),
            _ => None,
        };
        let named = [
            Some((Holder::User(owner.user), user)),
            project.map(|policy| (Holder::Project(owner.project), policy)),
            organization.map(|policy| (Holder::Organization(owner.organization), policy)),
            key,
        ];
        let bound = |(holder, policy): (Holder, &str)| {
            let limits = self.policies.get(policy)?.limits.clone();
            (limits != PolicyLimits::default()).then(|| Bound { holder, policy: policy.to_owned(), limits })
        };
        named.into_iter().flatten().filter_map(bound).collect()
    }
}

impl App {
    /// Whether the owner's policies let a one-shot run begin; reads no database.
    pub(super) fn check_run_policy(&self, actor: &Actor, owner: &Owner, wanted: &SandboxSpec) -> Result<(), Failure> {
        let bounds = self.people.now().bounds(owner, &actor.by);
        let over = |bound: &Bound| {
            let counted = bound.limits.runs_max.is_some();
            let runs = if counted { self.runs_alone(&bound.holder) } else { 0 };
            let wish = RunWish { limits: &wanted.limits, image: &wanted.image, network: wanted.network.word(), runs };
            bound.run_refusals(&wish)
        };
        refused(bounds.iter().flat_map(over).collect())?;
        self.check_budget(owner).map(drop)
    }

    /// One-shot runs in progress that count against a holder.
    fn runs_alone(&self, holder: &Holder) -> u64 {
        let theirs = |owner: &Owner| match holder {
            Holder::Organization(id) => owner.organization == *id,
            Holder::Project(id) => owner.project == *id,
            // A run does not keep its key: all of its user's count.
            Holder::User(id) => owner.user == *id,
            Holder::Key(id) => self.people.now().access_keys.get(id).is_some_and(|key| key.owner == owner.user),
        };
        let live = self.runs_live();
        live.iter().filter(|run| run.facts.session.is_none() && theirs(&run.facts.owner)).count() as u64
    }

    pub async fn policy_set(&self, name: String, limits: PolicyLimits) -> Result<PolicyView, Failure> {
        validate::session_name(&name)?;
        for (field, list) in
            [("images", &limits.images), ("resource_groups", &limits.resource_groups), ("networks", &limits.networks)]
        {
            validate::at_most(field, list.as_ref().map_or(0, Vec::len), LIST_MAX, "LIST_MAX")?;
        }
        if let Some(unknown) = limits.networks.iter().flatten().find(|word| !Network::WORDS.contains(&word.as_str())) {
            let detail = format!("`{unknown}` is no policy of networks: there are {}", Network::WORDS.join(", "));
            return Err(Failure::invalid("networks", detail));
        }
        if limits.session_cpu_percent_min.is_some_and(|percent| percent > 100) {
            return Err(Failure::invalid(
                "session_cpu_percent_min",
                "a session uses at most 100 percent of what it holds",
            ));
        }
        if let Some(field) = limits.beyond() {
            return Err(Failure::invalid(field, format!("a limit is at most {}", PolicyLimits::NUMBER_MAX)));
        }
        self.store.policy_set(&PolicyRecord { name: name.clone(), limits, created_ms: now_ms() }).await?;
        self.store.hint(madang_store::Hint::Policy);
        self.people_changed().await?;
        self.folders.wake.notify_one();
        self.policy_view(&name)
    }

    pub async fn policy_remove(&self, name: &str) -> Result<PolicyView, Failure> {
        let view = self.policy_view(name)?;
        let people = self.people.now();
        let uses = |policy: &Option<String>| policy.as_deref() == Some(name);
        let used = name == DEFAULT_POLICY
            || people.users.values().any(|record| uses(&record.policy))
            || people.projects.values().any(|record| uses(&record.policy))
            || people.organizations.values().any(|record| uses(&record.policy))
            || people.access_keys.values().any(|record| uses(&record.policy));
        if used {
            return Err(Failure::conflict("the policy is in use"));
        }
        self.store.policy_remove(name).await?;
        self.people_changed().await?;
        Ok(view)
    }

    pub fn policy_view(&self, name: &str) -> Result<PolicyView, Failure> {
        let people = self.people.now();
        let record = people.policies.get(name).ok_or_else(|| Failure::not_found(format!("policy {name}")))?;
        Ok(policy_view(record))
    }

    pub fn policies_all(&self) -> Vec<PolicyView> {
        self.people.now().policies.values().map(policy_view).collect()
    }
}

fn policy_view(record: &PolicyRecord) -> PolicyView {
    PolicyView { name: record.name.clone(), limits: record.limits.clone(), created_at: Timestamp(record.created_ms) }
}

/// All refusals as one failure, the first one in its words.
pub(super) fn refused(refusals: Vec<Refusal>) -> Result<(), Failure> {
    let Some(first) = refusals.first() else { return Ok(()) };
    let failure = Failure::new(ProblemKind::Limit, first.to_string());
    Err(Failure { limit: Some(first.limit.clone()), source: Some(Arc::new(Refusals(refusals))), ..failure })
}
