//! Apps: services inside a session that open in a browser or over a tunnel.

use std::collections::BTreeMap;

use madang_ids::AppId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Timestamp;

/// What an app speaks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AppSpeaks {
    /// HTTP, and what it is upgraded to.
    #[default]
    Http,
    /// Bytes that only it understands.
    Tcp,
}

/// `POST /sessions/{id}/apps`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AppCreate {
    /// As `GET /apps` lists them; `port` for what a program of the session listens on by itself.
    #[schema(max_length = 64, examples("jupyterlab"))]
    pub name: String,
    /// On the loopback of the sandbox, where programs of the session may listen: needed for `port`, chosen where left out for others.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub port: Option<u16>,
    /// For `port`; the others know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<AppSpeaks>,
    /// Added to its command line; 64 at most.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub arguments: Vec<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
}

/// Where an app is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AppLife {
    Running,
    Ended,
}

/// An app of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AppView {
    #[schema(value_type = String)]
    pub id: AppId,
    pub name: String,
    pub protocol: AppSpeaks,
    pub port: u16,
    pub state: AppLife,
    /// Exit code of one that ended, or the negated number of the signal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<i32>,
    /// Opens it for whoever has the whole address, until it expires; only for whoever opens one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// The origin of the pages that may show the address in a frame, as `https://madang.example`; where there is none it opens in a tab of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embedder: Option<String>,
    /// Why there is no address, for a person: the app runs, and is reached over `/sessions/{id}/ports/{port}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_url: Option<String>,
}

/// An app that sessions can open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AppOffer {
    /// What `POST /sessions/{id}/apps` calls it.
    pub name: String,
    pub title: String,
    pub protocol: AppSpeaks,
    /// Memory that it needs beside the programs of a session.
    pub memory_bytes: u64,
    pub available: bool,
    /// Why not, where it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unavailable: Option<String>,
}
