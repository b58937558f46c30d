//! What the commands of all nouns share: where a thing is, and how it is shown.

use std::{collections::BTreeMap, fmt::Display};

use madang_client::{Client, path_encoded};
use madang_public_api::{BASE_PATH, Page, Timestamp};
use serde::Serialize;
use serde_json::Value;

use crate::{args::JsonArgs, exit::Failure, print, print::Cell};

pub const ORGANIZATIONS: &str = "organizations";
pub const PROJECTS: &str = "projects";
pub const USERS: &str = "users";

/// The path of a thing of a kind, and what of it; with an empty id that of all of them.
pub fn path(kind: &str, id: &str, rest: &str) -> String {
    let of_one = if id.is_empty() { String::new() } else { format!("/{}", path_encoded(id).replace('/', "%2F")) };
    format!("{BASE_PATH}/{kind}{of_one}{rest}")
}

/// The names of all things of a kind that we may know of, by id.
pub async fn names(client: &Client, kind: &str) -> Result<BTreeMap<String, String>, Failure> {
    let page: Page<Value> = client.get(&path(kind, "", "")).await?;
    let text = |item: &Value, field: &str| item[field].as_str().map(str::to_owned);
    Ok(page.items.iter().filter_map(|item| Some((text(item, "id")?, text(item, "name")?))).collect())
}

/// The name of the thing with an id, or else the id.
pub fn named(names: &BTreeMap<String, String>, id: &impl Display) -> String {
    let id = id.to_string();
    names.get(&id).cloned().unwrap_or(id)
}

/// Says the id of what was just made.
pub fn made(view: &impl Serialize, id: &impl Display, json: &JsonArgs) -> Result<(), Failure> {
    if json.json { print::json(view) } else { print::say(&format!("{id}\n")) }
}

/// Whether a thing may be used.
pub fn state(suspended_at: Option<Timestamp>, archived_at: Option<Timestamp>) -> Cell {
    match (suspended_at, archived_at) {
        (_, Some(_)) => print::judged("archived", false),
        (Some(_), None) => print::judged("suspended", false),
        (None, None) => print::judged("active", true),
    }
}

/// A time, or nothing where there is none.
pub fn when(at: Option<Timestamp>) -> String {
    at.map(|at| at.to_string()).unwrap_or_default()
}
