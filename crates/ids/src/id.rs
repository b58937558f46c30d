//! Prefixed, sortable ids: a UUIDv7 in Crockford base32 behind a three-letter prefix.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

/// Crockford's base32 alphabet in lower case: no i, l, o, u. <https://www.crockford.com/base32.html>
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// 128 bits in groups of five, the first group holding three bits.
const DIGITS: usize = 26;

/// Why a text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    #[error("an id of this kind starts with `{expected}_`")]
    Prefix { expected: &'static str },
    #[error("an id has {DIGITS} base32 digits after its prefix")]
    Digits,
}

fn encode(value: u128) -> String {
    let digit = |index: usize| {
        let shift = 5 * (DIGITS - 1 - index);
        ALPHABET[((value >> shift) & 31) as usize] as char
    };
    (0..DIGITS).map(digit).collect()
}

fn decode(text: &str) -> Option<u128> {
    if text.len() != DIGITS {
        return None;
    }
    let mut value: u128 = 0;
    for (index, byte) in text.bytes().enumerate() {
        let digit = ALPHABET.iter().position(|&letter| letter == byte)? as u128;
        if index == 0 && digit > 7 {
            return None;
        }
        value = (value << 5) | digit;
    }
    Some(value)
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(u128);

        impl $name {
            pub const PREFIX: &'static str = $prefix;
            /// Sorts before every other.
            pub const MIN: Self = Self(0);

            /// A new id; later ones sort after earlier ones to the millisecond.
            #[allow(clippy::new_without_default, reason = "an id made by default would hide that it is unique")]
            pub fn new() -> Self {
                Self(Uuid::now_v7().as_u128())
            }

            /// The same id everywhere, for what every installation has from its beginning. No made id is so small.
            #[must_use]
            pub const fn fixed(number: u8) -> Self {
                Self(number as u128)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}_{}", Self::PREFIX, encode(self.0))
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                let digits = text
                    .strip_prefix(concat!($prefix, "_"))
                    .ok_or(IdError::Prefix { expected: $prefix })?;
                decode(digits).map(Self).ok_or(IdError::Digits)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

id!(
    /// A user's compute environment.
    SessionId, "ses"
);
id!(
    /// One isolated process tree on one node.
    SandboxId, "sbx"
);
id!(
    /// One execution inside a session.
    RunId, "run"
);
impl RunId {
    /// The run that a sandbox begins with: whoever asks again for it finds the same.
    #[must_use]
    pub const fn first_in(sandbox: SandboxId) -> Self {
        Self(sandbox.0)
    }
}

id!(
    /// A machine that runs sandboxes.
    NodeId, "nod"
);
id!(
    /// Storage that outlives sessions: of a user or of a project.
    FolderId, "fld"
);
id!(
    /// An image that was made of a session.
    ImageId, "img"
);
id!(
    /// The offer of a share in a folder.
    InvitationId, "inv"
);
id!(
    /// A service inside a session that can be reached from outside.
    AppId, "app"
);
id!(
    /// Slots of a resource group promised for a time.
    ReservationId, "rsv"
);
id!(
    /// What a unit of use costs from a moment on.
    PriceId, "prc"
);
id!(
    /// What a user or a project may spend.
    BudgetId, "bdg"
);
id!(
    /// A bearer secret's public name.
    TokenId, "tok"
);
id!(
    /// A public key that a user signs in with over SSH.
    SshKeyId, "ssh"
);
id!(
    /// A control process, from its start to its end.
    ControlId, "ctl"
);
id!(
    /// Whoever pays: has projects and users.
    OrganizationId, "org"
);
id!(
    /// What people work on together, inside one organization.
    ProjectId, "prj"
);
id!(
    /// A person or a robot.
    UserId, "usr"
);
id!(
    /// A browser that has signed in.
    SigninId, "sgn"
);
id!(
    /// A link that sets a password, once.
    LinkId, "lnk"
);
id!(
    /// A link to one run, for whoever has it.
    ShareId, "shr"
);
id!(
    /// An entry of the audit log.
    AuditId, "aud"
);
id!(
    /// What everybody is told.
    AnnouncementId, "ann"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_back() {
        let id = SessionId::new();
        let text = id.to_string();
        assert!(text.starts_with("ses_"), "{text}");
        assert_eq!(text.parse::<SessionId>(), Ok(id));
    }

    #[test]
    fn other_kinds_and_bad_digits_are_refused() {
        let text = SessionId::new().to_string();
        assert_eq!(text.parse::<RunId>(), Err(IdError::Prefix { expected: "run" }));
        assert_eq!("ses_".parse::<SessionId>(), Err(IdError::Digits));
        assert_eq!("ses_8zzzzzzzzzzzzzzzzzzzzzzzzz".parse::<SessionId>(), Err(IdError::Digits));
        assert_eq!("ses_uuuuuuuuuuuuuuuuuuuuuuuuuu".parse::<SessionId>(), Err(IdError::Digits));
        assert_eq!("ses_../../etc/passwd".parse::<SessionId>(), Err(IdError::Digits));
    }

    #[test]
    fn extremes_survive() {
        for value in [0, 1, u128::MAX] {
            assert_eq!(decode(&encode(value)), Some(value));
        }
    }
}
