//! Lists of sessions: which, in which order, a page at a time.

use madang_ids::SessionId;
use madang_model::{
    Sight,
    session_filter::{NameMatch, SessionFilter, TagMatch, Term},
};
use sea_orm::{
    ColumnTrait, Condition, DbBackend, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select,
    sea_query::{Expr, ExprTrait, SimpleExpr},
};

use crate::{
    SessionRecord, Store, StoreError,
    error::{doing, signed},
    session::{from_row, row},
};

/// Which order a list of sessions is in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SessionOrder {
    #[default]
    NewestFirst,
    OldestFirst,
    /// By name, the older first of those that have the same.
    Name,
}

/// The last session of the page before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionAfter {
    pub id: SessionId,
    /// In the order of names.
    pub name: Option<String>,
}

/// A page of sessions.
#[derive(Debug, Clone, Default)]
pub struct SessionPage {
    pub order: SessionOrder,
    /// Only those after this one in the order.
    pub after: Option<SessionAfter>,
    /// Owners and projects are ids here.
    pub filter: SessionFilter,
    /// Only those that the asker may know of.
    pub sight: Sight,
    pub limit: u64,
}

type Column = row::Column;

impl Store {
    pub async fn session_list(&self, page: &SessionPage) -> Result<Vec<SessionRecord>, StoreError> {
        let mut query = row::Entity::find().filter(seen(&page.sight));
        let backend = self.reader.get_database_backend();
        for term in &page.filter.terms {
            query = query.filter(holds(term, backend));
        }
        let query = ordered(query, page);
        let rows = query.limit(page.limit).all(&self.reader).await.map_err(doing("listing sessions"))?;
        rows.into_iter().map(from_row).collect()
    }
}

fn seen(sight: &Sight) -> Condition {
    match sight {
        Sight::All => Condition::all(),
        Sight::Organization(id) => Condition::all().add(Column::Organization.eq(id.to_string())),
        Sight::Own { user, managed } => {
            let managed = managed.iter().map(ToString::to_string);
            Condition::any().add(Column::Owner.eq(user.to_string())).add(Column::Project.is_in(managed))
        }
    }
}

fn ordered(query: Select<row::Entity>, page: &SessionPage) -> Select<row::Entity> {
    let after = page.after.as_ref().map(|after| (after.id.to_string(), after.name.as_deref().unwrap_or_default()));
    match page.order {
        SessionOrder::NewestFirst => {
            let query = query.order_by_desc(Column::Id);
            after.into_iter().fold(query, |query, (id, _)| query.filter(Column::Id.lt(id)))
        }
        SessionOrder::OldestFirst => {
            let query = query.order_by_asc(Column::Id);
            after.into_iter().fold(query, |query, (id, _)| query.filter(Column::Id.gt(id)))
        }
        SessionOrder::Name => {
            let query = query.order_by_asc(Column::Name).order_by_asc(Column::Id);
            after.into_iter().fold(query, |query, (id, name)| {
                let same = Condition::all().add(Column::Name.eq(name)).add(Column::Id.gt(id));
                query.filter(Condition::any().add(Column::Name.gt(name)).add(same))
            })
        }
    }
}

fn holds(term: &Term, backend: DbBackend) -> Condition {
    let one = |expression: SimpleExpr| Condition::all().add(expression);
    match term {
        Term::Live => one(Column::EndedMs.is_null()),
        Term::State(states) => one(Column::State.is_in(states)),
        Term::Kind(kinds) => one(spec_field("kind", backend).is_in(kinds)),
        Term::Owner(owners) => one(Column::Owner.is_in(owners)),
        Term::Project(projects) => one(Column::Project.is_in(projects)),
        Term::Image(images) => one(spec_field("image", backend).is_in(images)),
        Term::Language(languages) => one(spec_field("language", backend).is_in(languages)),
        Term::Name(names) => names.iter().map(named).fold(Condition::any(), Condition::add),
        Term::Tag(tags) => {
            let both = |tag| Condition::all().add(mentions(tag, backend)).add(tagged(tag, backend));
            tags.iter().map(both).fold(Condition::any(), Condition::add)
        }
        Term::CreatedFrom(at_ms) => one(Column::CreatedMs.gte(signed(*at_ms))),
        Term::CreatedBefore(at_ms) => one(Column::CreatedMs.lt(signed(*at_ms))),
    }
}

/// A beginning is a range of names, which an index knows; text is compared by bytes.
fn named(name: &NameMatch) -> SimpleExpr {
    match name {
        NameMatch::Whole(name) => Column::Name.eq(name),
        NameMatch::Beginning(name) => {
            let behind = format!("{name}{}", char::MAX);
            Column::Name.gte(name).and(Column::Name.lt(behind))
        }
    }
}

/// PostgreSQL reads no JSON text that has a NUL in it; what stands in its place is never shown.
pub(crate) const POSTGRES_BODY: &str = r"(replace(body, '\u0000', '\ufffd')::json)";

/// As `m0071_session_list` has it indexed, letter for letter.
pub(crate) fn spec_field_sql(field: &str, backend: DbBackend) -> String {
    match backend {
        DbBackend::Postgres => format!("(({POSTGRES_BODY} -> 'spec') ->> '{field}')"),
        _ => format!("json_extract(body, '$.spec.{field}')"),
    }
}

fn spec_field(field: &str, backend: DbBackend) -> SimpleExpr {
    Expr::cust(spec_field_sql(field, backend))
}

/// The body has the tag somewhere as it was written there: far cheaper to see than to read the body, and most bodies have not.
fn mentions(tag: &TagMatch, backend: DbBackend) -> SimpleExpr {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let value = tag.value.as_deref().map(quoted).unwrap_or_default();
    let written = format!("{}:{value}", quoted(&tag.key));
    match backend {
        DbBackend::Postgres => Expr::cust_with_values("strpos(body, $1) > 0", [written]),
        _ => Expr::cust_with_values("instr(body, ?) > 0", [written]),
    }
}

/// Tags are looked at in what the other terms leave: no index knows them.
fn tagged(tag: &TagMatch, backend: DbBackend) -> SimpleExpr {
    let key = tag.key.clone();
    match (backend, &tag.value) {
        (DbBackend::Postgres, None) => {
            Expr::cust_with_values(format!("((({POSTGRES_BODY} -> 'spec') -> 'tags') ->> $1) IS NOT NULL"), [key])
        }
        (DbBackend::Postgres, Some(value)) => {
            let sql = format!("((({POSTGRES_BODY} -> 'spec') -> 'tags') ->> $1) = $2");
            Expr::cust_with_values(sql, [key, value.clone()])
        }
        (_, None) => {
            let sql = "EXISTS (SELECT 1 FROM json_each(body, '$.spec.tags') AS tag WHERE tag.key = ?)";
            Expr::cust_with_values(sql, [key])
        }
        (_, Some(value)) => {
            let sql =
                "EXISTS (SELECT 1 FROM json_each(body, '$.spec.tags') AS tag WHERE tag.key = ? AND tag.value = ?)";
            Expr::cust_with_values(sql, [key, value.clone()])
        }
    }
}
