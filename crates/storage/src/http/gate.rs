//! Who is let in: whoever shows a ticket, as far as it goes.

use std::sync::Arc;

use axum::{
    extract::Request,
    http::{HeaderValue, StatusCode, header},
};
use madang_ids::{FolderId, UserId};
use madang_ticket::{FolderMay, Right};

use super::{Query, Shared, problem::Problem};
use crate::{transfer::Hands, tree::TreePath};

/// What a ticket gives of one folder.
#[derive(Debug, Clone)]
pub(crate) struct Granted {
    pub folder: FolderId,
    /// Who was given it; on whose account things are done.
    pub user: UserId,
    /// That user's share of the threads.
    pub hands: Arc<Hands>,
    top: TreePath,
    may: FolderMay,
}

impl Granted {
    /// By the ticket in `Authorization: Bearer` or in the query.
    pub fn of(shared: &Shared, folder: FolderId, request: &Request, query: &Query) -> Result<Self, Problem> {
        let head = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let bearer = head.and_then(|head| {
            let (scheme, text) = head.split_once(' ')?;
            scheme.eq_ignore_ascii_case("Bearer").then(|| text.trim())
        });
        let text = bearer.or_else(|| query.text("ticket"));
        let text = text.ok_or_else(|| unauthenticated("a ticket is needed: ask the server for one for this folder"))?;
        let ticket =
            shared.verifier.check(text, shared.now_ms()).map_err(|error| unauthenticated(&error.to_string()))?;
        let Right::Folder { folder: of, path, may } = ticket.right else {
            return Err(forbidden("this ticket is not one for a folder"));
        };
        if of != folder {
            return Err(forbidden("this ticket is for another folder"));
        }
        let (user, hands) = (ticket.user, shared.pool.hands(ticket.user));
        Ok(Self { folder, user, hands, top: TreePath::parse(path.as_bytes())?, may })
    }

    /// Whether it goes as far as this.
    pub fn check(&self, path: &TreePath, may: FolderMay) -> Result<(), Problem> {
        if !path.is_within(&self.top) {
            return Err(forbidden("this ticket is for another part of the folder"));
        }
        if self.may < may {
            return Err(forbidden(match may {
                FolderMay::Read => "this ticket does not allow reading",
                FolderMay::Write => "this ticket allows reading only",
                FolderMay::Delete => "this ticket does not allow removing and renaming",
            }));
        }
        Ok(())
    }
}

fn forbidden(detail: &str) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "forbidden", detail)
}

fn unauthenticated(detail: &str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "unauthenticated", detail)
        .with(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
}
