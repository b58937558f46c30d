//! Names: listed, looked at, looked for, made, moved, removed.

use std::sync::Arc;

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use madang_ticket::FolderMay;
use serde_json::json;

use super::{Asked, Problem};
use crate::{
    transfer::Waited,
    tree::{Existing, LIST_ENTRIES_MAX, Parents, SEARCH_FOUND_MAX, TreePath, percent_encoded},
};

/// `?limit=`, `?after=` (a name, percent-encoded).
pub(super) async fn list(asked: Asked) -> Result<Response, Problem> {
    let tree = asked.tree(FolderMay::Read).await?;
    let limit = asked.query.number("limit", LIST_ENTRIES_MAX)?;
    let after = asked.query.bytes("after").map(<[u8]>::to_vec);
    let path = asked.path.clone();
    let listing = asked.granted.hands.run_long(move |waited| tree.list(&path, after.as_deref(), limit, waited)).await?;
    let more_after = listing.more_after.map(|name| percent_encoded(&name));
    Ok(Json(json!({ "entries": listing.entries, "more_after": more_after })).into_response())
}

pub(super) async fn stat(asked: Asked) -> Result<Response, Problem> {
    let tree = asked.tree(FolderMay::Read).await?;
    let path = asked.path.clone();
    Ok(Json(asked.run(move || tree.entry(&path)).await?).into_response())
}

/// `?name=` and `?limit=`.
pub(super) async fn search(asked: Asked) -> Result<Response, Problem> {
    let tree = asked.tree(FolderMay::Read).await?;
    let limit = asked.query.number("limit", SEARCH_FOUND_MAX)?;
    let name = asked.query.bytes("name").map(<[u8]>::to_vec);
    let name =
        name.ok_or_else(|| Problem::malformed("`name` is missing: a part of a name, or a pattern with `*` and `?`"))?;
    let path = asked.path.clone();
    let found = asked.granted.hands.run_long(move |waited| tree.search(&path, &name, limit, waited)).await?;
    Ok(Json(json!({ "entries": found.entries, "complete": found.complete })).into_response())
}

/// `?parents`, `?exist_ok`.
pub(super) async fn make(asked: Asked) -> Result<Response, Problem> {
    let tree = asked.tree(FolderMay::Write).await?;
    let parents = if asked.query.is_set("parents")? { Parents::Make } else { Parents::MustExist };
    let existing = if asked.query.is_set("exist_ok")? { Existing::Accept } else { Existing::Refuse };
    let path = asked.path.clone();
    let entry = asked.run(move || {
        tree.make_directory(&path, parents, existing)?;
        tree.entry(&path)
    });
    Ok((StatusCode::CREATED, Json(entry.await?)).into_response())
}

/// `?to=` (from the folder's top), `?replace`.
pub(super) async fn rename(asked: Asked) -> Result<Response, Problem> {
    let to = asked.query.bytes("to").ok_or_else(|| Problem::malformed("`to` is missing: the new path"))?;
    let to = TreePath::parse(to)?;
    asked.granted.check(&to, FolderMay::Delete)?;
    let tree = asked.tree(FolderMay::Delete).await?;
    let existing = if asked.query.is_set("replace")? { Existing::Accept } else { Existing::Refuse };
    let from = asked.path.clone();
    let entry = asked.run(move || {
        tree.rename(&from, &to, existing)?;
        tree.entry(&to)
    });
    Ok(Json(entry.await?).into_response())
}

/// `?recursive`.
pub(super) async fn remove(asked: Asked) -> Result<Response, Problem> {
    let tree = asked.tree(FolderMay::Delete).await?;
    let all = asked.query.is_set("recursive")?;
    let path = asked.path.clone();
    let deed_tree = Arc::clone(&tree);
    let deed = move |_: &Waited| if all { deed_tree.remove_all(&path) } else { deed_tree.remove(&path) };
    asked.granted.hands.run_long(deed).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
