//! What only other processes know: the same question to each of them that leads something, and their answers put into ours.

use std::{sync::Arc, time::Duration};

use axum::{extract::FromRequestParts, http::request::Parts};
use futures_util::future::join_all;
use madang_public_api::Page;
use serde::de::DeserializeOwned;

use super::{Shared, forward};
use crate::app::{Asker, Failure, leadership::Leader};

/// The other processes that lead something: an extractor of handlers. Whoever was asked by another process asks nobody else.
pub(super) struct Others {
    target: String,
    addresses: Vec<String>,
}

impl FromRequestParts<Shared> for Others {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self, Failure> {
        let target = parts.uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
        let forwarded = forward::is_forwarded(app, &parts.headers);
        let addresses = if forwarded { Vec::new() } else { app.leadership.others() };
        Ok(Self { target, addresses })
    }
}

impl Others {
    /// What they answer to the same question; one that does not answer is left out.
    pub async fn ask<T: DeserializeOwned>(&self, app: &Shared, asker: &Arc<Asker>) -> Vec<(String, T)> {
        let wait = Duration::from_millis(app.config.process_wait_ms);
        let ask = |address: &String| {
            let address = address.clone();
            async move {
                let asked = forward::ask_json(app, &address, asker, &self.target);
                match tokio::time::timeout(wait, asked).await {
                    Ok(Ok(answer)) => Some((address, answer)),
                    Ok(Err(failure)) => {
                        tracing::warn!(address, error = ?failure, "another process does not say what it leads");
                        None
                    }
                    Err(_) => {
                        tracing::warn!(address, "another process does not say in time what it leads");
                        None
                    }
                }
            }
        };
        join_all(self.addresses.iter().map(ask)).await.into_iter().flatten().collect()
    }

    /// Puts into `ours` what the leaders of their groups say of the same things; `key` tells things apart. Of what has no group
    /// everybody knows the same.
    pub async fn complete<T: DeserializeOwned, K: PartialEq>(
        &self,
        (app, asker): (&Shared, &Arc<Asker>),
        ours: &mut [T],
        group: impl Fn(&T) -> Option<&str>,
        key: impl Fn(&T) -> K,
    ) {
        if ours.iter().filter_map(&group).all(|group| app.leads(group)) {
            return;
        }
        for (address, theirs) in self.ask::<Page<T>>(app, asker).await {
            let there = Leader::At(address.clone());
            let leads = |item: &T| group(item).is_some_and(|group| app.leadership.leader(group) == there);
            for item in theirs.items.into_iter().filter(leads) {
                if let Some(known) = ours.iter_mut().find(|known| key(known) == key(&item)) {
                    *known = item;
                }
            }
        }
    }
}
