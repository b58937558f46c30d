use clap::{Args, ValueEnum};
use madang_public_api::{NetworkAllow, NetworkAsked, NetworkPolicy};

/// What a sandbox may reach.
#[derive(Debug, Clone, Args)]
pub struct NetworkArgs {
    /// What it may reach
    #[arg(long, value_enum, value_name = "POLICY", conflicts_with = "allow")]
    pub network: Option<Policy>,
    /// Let it reach this and nothing else: a name, `*.` and a name, an address or a range; repeat it for more
    #[arg(long, value_name = "NAME|RANGE")]
    pub allow: Vec<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Policy {
    None,
    Internet,
}

impl NetworkArgs {
    pub fn asked(&self) -> Option<NetworkAsked> {
        if !self.allow.is_empty() {
            return Some(NetworkAsked::Allow(NetworkAllow { allow: self.allow.clone() }));
        }
        Some(NetworkAsked::Policy(match self.network? {
            Policy::None => NetworkPolicy::None,
            Policy::Internet => NetworkPolicy::Internet,
        }))
    }
}
