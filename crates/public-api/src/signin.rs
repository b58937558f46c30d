//! Signing in: access keys, browsers, one-time links, other providers.

use madang_ids::{LinkId, SigninId, SshKeyId, UserId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Timestamp;

/// What the signatures of an access key must cover.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum KeySigning {
    /// Either scheme is taken, also that of stock clients, which leaves the body out.
    #[default]
    Any,
    /// Only `Madang` signatures, which cover the body and are good once.
    Request,
}

/// Asks for an access key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccessKeyCreate {
    /// For people; need not be unique.
    #[schema(min_length = 1, max_length = 64)]
    pub name: String,
    /// Id or name of the user whose it will be; whoever asks where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    #[serde(default)]
    pub signing: KeySigning,
    /// Days until it is good no more; for ever where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 3650)]
    pub expires_days: Option<u32>,
}

/// An access key, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccessKeyView {
    /// The public part, `MDAK…`.
    pub access_key: String,
    #[schema(value_type = String)]
    pub user: UserId,
    pub name: String,
    pub signing: KeySigning,
    /// Who made the secret. A key that somebody else made is suspended when its user gets a new password or another role, or is suspended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub made_by: Option<UserId>,
    pub created_at: Timestamp,
    /// When the secret was made.
    pub rotated_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// Since when it is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspended_at: Option<Timestamp>,
}

/// An access key with its secret, which is shown this once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccessKeyMade {
    #[serde(flatten)]
    pub key: AccessKeyView,
    pub secret_key: String,
}

impl std::fmt::Debug for AccessKeyMade {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccessKeyMade").field("key", &self.key).finish_non_exhaustive()
    }
}

/// Has whoever holds the private part of a key sign in as a user over SSH.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SshKeyCreate {
    /// One line, as in a file `id_ed25519.pub`: Ed25519 or ECDSA.
    #[schema(max_length = 1024)]
    pub public_key: String,
    /// For people; what stands behind the key where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 64)]
    pub name: Option<String>,
    /// Id or name of the user whose it will be; whoever asks where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
}

/// A key that somebody signs in with over SSH. No two users have the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SshKeyView {
    #[schema(value_type = String)]
    pub id: SshKeyId,
    #[schema(value_type = String)]
    pub user: UserId,
    pub name: String,
    /// As `ssh-keygen -l` shows it.
    pub fingerprint: String,
    /// One line, without what stood behind it.
    pub public_key: String,
    /// Who said that it is the user's. A key that somebody else gave is forgotten when its user gets a new password or another role, or
    /// is suspended.
    #[schema(value_type = String)]
    pub made_by: UserId,
    pub created_at: Timestamp,
}

/// Signs a browser in.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SigninRequest {
    /// The user's name.
    #[schema(max_length = 64)]
    pub name: String,
    #[schema(max_length = 1024)]
    pub password: String,
}

impl std::fmt::Debug for SigninRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigninRequest").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Who has signed in, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SigninView {
    #[schema(value_type = String)]
    pub user: UserId,
    pub name: String,
    /// `system-administrator`, `organization-administrator` or `member`.
    pub role: String,
    /// `socket`, `token tok_…`, `key MDAK…` or `cookie`.
    pub via: String,
    /// For browsers: what unsafe requests repeat in `X-CSRF-Token`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub csrf: Option<String>,
}

/// A browser that has signed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BrowserView {
    #[schema(value_type = String)]
    pub id: SigninId,
    #[schema(value_type = String)]
    pub user: UserId,
    /// `password`, `link`, or a provider's name.
    pub method: String,
    /// From where it signed in.
    pub address: String,
    /// What it calls itself.
    pub agent: String,
    pub created_at: Timestamp,
    /// When it last asked for something, to some minutes.
    pub seen_at: Timestamp,
    pub expires_at: Timestamp,
    /// Whether it is the one that asks.
    pub current: bool,
}

/// Asks for a one-time link with which a user sets a password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LinkCreate {
    /// Id or name.
    pub user: String,
    pub kind: LinkKind,
    /// Also ends, at once, every other way to be that user: browsers are signed out, tokens revoked, access keys suspended. For where somebody
    /// else may have them.
    #[serde(default)]
    pub revoke_all: bool,
}

/// What a one-time link is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LinkKind {
    /// The user's first password; good for a week.
    Invitation,
    /// Another password, where the old one was forgotten; good for an hour.
    Reset,
}

/// A one-time link, which is shown this once. A new one for the same user ends it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LinkMade {
    #[schema(value_type = String)]
    pub id: LinkId,
    #[schema(value_type = String)]
    pub user: UserId,
    pub kind: LinkKind,
    pub expires_at: Timestamp,
    /// For a browser; the secret stands behind `#`, which browsers send to nobody.
    pub url: String,
    /// The secret alone.
    pub secret: String,
}

impl std::fmt::Debug for LinkMade {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LinkMade").field("id", &self.id).field("user", &self.user).finish_non_exhaustive()
    }
}

/// Uses a one-time link.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LinkUse {
    #[schema(max_length = 128)]
    pub secret: String,
    /// The new password.
    #[schema(min_length = 10, max_length = 1024)]
    pub password: String,
    /// Also revokes all of the user's tokens and suspends all access keys. Without it those that the user made stay.
    #[serde(default)]
    pub revoke_all: bool,
}

/// The password is set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LinkUsed {
    /// The name with which its user signs in from now on.
    pub name: String,
}

impl std::fmt::Debug for LinkUse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LinkUse").finish_non_exhaustive()
    }
}

/// Another password for whoever asks.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordChange {
    /// The present password.
    #[schema(max_length = 1024)]
    pub current: String,
    #[schema(min_length = 10, max_length = 1024)]
    pub password: String,
    /// Also revokes all of the user's tokens and suspends all access keys, the one that asks among them.
    #[serde(default)]
    pub revoke_all: bool,
}

impl std::fmt::Debug for PasswordChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PasswordChange").finish_non_exhaustive()
    }
}

/// Somebody else who knows our users.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProviderView {
    /// As in the configuration, and in paths.
    pub name: String,
    /// For people.
    pub title: String,
    /// Where a browser goes to sign in with it.
    pub url: String,
}
