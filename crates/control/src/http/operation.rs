//! Which row of the authorization table a request falls under.

use std::collections::HashMap;

use axum::{
    extract::{MatchedPath, Request},
    http::Method,
};
use madang_model::access::{Row, table};
use utoipa::openapi::{OpenApi, path::PathItem};

use crate::app::Failure;

/// Every operation of the document, by path and method.
#[derive(Debug)]
pub(super) struct Operations {
    rows: HashMap<String, Vec<(Method, Option<&'static Row>)>>,
}

impl Operations {
    /// From the document as the routes give it, with the router's own paths.
    pub fn new(document: &OpenApi) -> Self {
        let rows = document.paths.paths.iter().map(|(path, item)| {
            let known = methods(item).map(|(method, operation)| (method, operation.and_then(table::find)));
            (path.clone(), known.collect())
        });
        Self { rows: rows.collect() }
    }

    /// None where the path has no such method, which the router will say. An operation without a row is forbidden to everybody; a
    /// test makes sure that there is none.
    pub fn row(&self, request: &Request) -> Result<Option<&'static Row>, Failure> {
        let path = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
        let asked = if request.method() == Method::HEAD { &Method::GET } else { request.method() };
        let row = self.rows.get(path).and_then(|rows| rows.iter().find(|(method, _)| method == asked));
        match row {
            Some((_, None)) => Err(Failure::forbidden("nobody may do this")),
            Some((_, row)) => Ok(*row),
            None => Ok(None),
        }
    }
}

fn methods(item: &PathItem) -> impl Iterator<Item = (Method, Option<&str>)> {
    let all = [
        (Method::GET, &item.get),
        (Method::PUT, &item.put),
        (Method::POST, &item.post),
        (Method::PATCH, &item.patch),
        (Method::DELETE, &item.delete),
    ];
    all.into_iter().filter_map(|(method, operation)| {
        let operation = operation.as_ref()?;
        Some((method, operation.operation_id.as_deref()))
    })
}
