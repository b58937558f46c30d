//! Signing in with another provider, by OpenID Connect: authorization code with PKCE, state and nonce bound to the browser.
//!
//! What the browser has to bring back is sealed in a cookie, so that no server keeps anything of a sign-in that may never end, and any of
//! several servers can end it.

mod client;
mod exchange;
mod http;
mod member;

use std::collections::BTreeMap;

use madang_store::StoreError;
use serde::{Deserialize, Serialize};

pub(crate) use client::Provider;
pub(crate) use member::user_of;

use super::server_key::ServerKey;
use crate::{app::Failure, clock::now_ms};

/// How long somebody may take to sign in at the provider.
pub(crate) const FLOW_SECONDS: u64 = 600;
/// What flows are sealed for.
const PURPOSE: &str = "oidc flow";

/// A provider, as it is configured.
#[derive(Clone, PartialEq, Eq)]
pub struct ProviderConfig {
    /// In paths: lower-case letters, digits and `-`.
    pub name: String,
    /// For people.
    pub title: String,
    /// URL under which it is discovered: `https`, or `http` on this machine itself.
    pub issuer: String,
    pub client_id: String,
    /// None for a public client.
    pub client_secret: Option<String>,
    /// Asked for beside `openid`.
    pub scopes: Vec<String>,
    /// The claim with the user's groups.
    pub groups_claim: String,
    /// Projects of a group, by name; and organizations' names before a slash, as in `physics/lab`.
    pub groups: BTreeMap<String, Vec<String>>,
    /// The organization of users who come for the first time; None: only users who are known already.
    pub organization: Option<String>,
}

impl std::fmt::Debug for ProviderConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProviderConfig").field("name", &self.name).field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

/// A sign-in that has begun, as the browser carries it.
#[derive(Serialize, Deserialize)]
pub(crate) struct Flow {
    pub provider: String,
    pub state: String,
    pub nonce: String,
    pub verifier: String,
    pub expires_ms: u64,
}

impl Flow {
    /// For the cookie.
    pub fn seal(&self, key: &ServerKey) -> String {
        // Strings and a number always become JSON.
        key.seal_hex(PURPOSE, &serde_json::to_vec(self).unwrap_or_default())
    }

    /// Out of the cookie, if it is one of ours, for this provider, and not too old.
    pub fn open(key: &ServerKey, provider: &str, sealed: &str) -> Option<Self> {
        let flow: Self = serde_json::from_slice(&key.open_hex(PURPOSE, sealed)?).ok()?;
        (flow.provider == provider && flow.expires_ms > now_ms()).then_some(flow)
    }
}

/// Whom a provider vouches for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claimed {
    pub issuer: String,
    pub subject: String,
    /// What the provider calls the user, if it says.
    pub name: Option<String>,
    pub email: Option<String>,
    pub groups: Vec<String>,
}

/// Why a provider's word was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProviderError {
    #[error("the provider does not answer as one: {0}")]
    Provider(String),
    #[error("the provider refused: {0}")]
    Refused(String),
    #[error("what the provider says of the user does not hold: {0}")]
    Untrusted(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<ProviderError> for Failure {
    fn from(error: ProviderError) -> Self {
        use madang_public_api::ProblemKind::{Unauthenticated, Unavailable};
        let (kind, detail) = match &error {
            ProviderError::Provider(_) => {
                (Unavailable, "the provider that should say who you are does not answer as it should")
            }
            ProviderError::Refused(_) => (Unauthenticated, "the provider did not sign you in; try again"),
            ProviderError::Untrusted(_) => (Unauthenticated, "what the provider said of you does not hold; try again"),
            ProviderError::Store(_) => return Failure::internal("signing in", error),
        };
        tracing::warn!(%error, "a sign-in with another provider failed");
        Failure { source: Some(std::sync::Arc::new(error)), ..Failure::new(kind, detail) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_is_for_its_provider_and_its_time() {
        let key = ServerKey::from_hex(&ServerKey::make_hex()).unwrap();
        let flow = |expires_ms| Flow {
            provider: "school".into(),
            state: "s".into(),
            nonce: "n".into(),
            verifier: "v".into(),
            expires_ms,
        };
        let sealed = flow(now_ms() + 60_000).seal(&key);
        assert_eq!(Flow::open(&key, "school", &sealed).map(|flow| flow.state).as_deref(), Some("s"));
        assert!(Flow::open(&key, "other", &sealed).is_none());
        assert!(Flow::open(&key, "school", &flow(now_ms() - 1).seal(&key)).is_none());
        assert!(Flow::open(&key, "school", &sealed[2..]).is_none());
    }
}
