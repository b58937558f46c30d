//! What a token is for.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What an operation needs of a token, besides its user's own rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// Looks and changes nothing.
    Read,
    /// Makes, uses and ends sessions and runs.
    Run,
    /// Changes people, policies and the service.
    Manage,
    /// Makes what others can sign in with: tokens, keys, passwords, links.
    Secret,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Scope; 4] = [Self::Read, Self::Run, Self::Manage, Self::Secret];

    /// As it is written everywhere.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Run => "run",
            Self::Manage => "manage",
            Self::Secret => "secret",
        }
    }

    /// The scope of a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.name() == name)
    }
}

/// A set of scopes; as text their names with spaces between.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Scopes(u8);

impl Scopes {
    /// Everything that the user may do.
    pub const ALL: Scopes = Scopes(0b1111);

    /// Whether the scope is among them.
    #[must_use]
    pub fn has(self, scope: Scope) -> bool {
        self.0 & (1 << scope as u8) != 0
    }

    /// Whether all of these are among the others.
    #[must_use]
    pub fn within(self, others: Scopes) -> bool {
        self.0 & !others.0 == 0
    }

    /// The scopes, in their order.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.has(*scope))
    }

    /// The scopes of a text; none where a name is unknown.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        text.split_whitespace().map(Scope::from_name).collect()
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |set, scope| set | (1 << scope as u8)))
    }
}

impl std::fmt::Display for Scopes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self.iter().map(Scope::name).collect();
        f.write_str(&names.join(" "))
    }
}

impl Serialize for Scopes {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.iter().map(Scope::name))
    }
}

impl<'de> Deserialize<'de> for Scopes {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let names = Vec::<String>::deserialize(from)?;
        let scope = |name: &String| {
            let known = Scope::from_name(name);
            known.ok_or_else(|| serde::de::Error::custom("a scope is `read`, `run`, `manage` or `secret`"))
        };
        names.iter().map(scope).collect()
    }
}
