//! Browsers that have signed in, and attempts to sign in that failed. Of secrets only hashes are kept.

use madang_ids::{SigninId, UserId};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, Statement,
    TransactionTrait, sea_query::Expr,
};

use crate::{
    Store, StoreError,
    error::{corrupt, doing, signed, unsigned},
};

/// A browser that has signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigninRecord {
    pub id: SigninId,
    pub user: UserId,
    /// SHA-256 of the cookie's secret, hexadecimal.
    pub hash: String,
    /// `password`, `link`, or a provider's name.
    pub method: String,
    pub address: String,
    /// What the browser calls itself.
    pub agent: String,
    pub created_ms: u64,
    /// When it last asked for something, to some minutes.
    pub seen_ms: u64,
    pub expires_ms: u64,
}

/// Whether an attempt to sign in may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    Go,
    /// Too many failed; no other before this moment.
    Wait {
        until_ms: u64,
    },
}

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "signin")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub user: String,
        pub hash: String,
        pub method: String,
        pub address: String,
        pub agent: String,
        pub created_ms: i64,
        pub seen_ms: i64,
        pub expires_ms: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

mod failure {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "signin_failure")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub key: String,
        pub count: i64,
        pub until_ms: i64,
        pub expires_ms: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

const KEEPING: &str = "keeping that a browser signed in";

impl Store {
    pub async fn signin_insert(&self, record: &SigninRecord) -> Result<(), StoreError> {
        let inserted = row::Entity::insert(to_row(record)).exec_without_returning(&self.writer).await;
        inserted.map_err(doing(KEEPING))?;
        Ok(())
    }

    /// The same for whoever has proved to know the password with this hash; false, and nothing kept, if it is another by now.
    pub async fn signin_insert_proved(&self, record: &SigninRecord, password: &str) -> Result<bool, StoreError> {
        let transaction = self.writer.begin().await.map_err(doing(KEEPING))?;
        if !crate::link::is_password(&transaction, record.user, password).await.map_err(doing(KEEPING))? {
            return Ok(false);
        }
        let inserted = row::Entity::insert(to_row(record)).exec_without_returning(&transaction).await;
        inserted.map_err(doing(KEEPING))?;
        transaction.commit().await.map_err(doing(KEEPING))?;
        Ok(true)
    }

    /// The browser with this secret, if it is still signed in.
    pub async fn signin_find(&self, hash: &str, now_ms: u64) -> Result<Option<SigninRecord>, StoreError> {
        use row::Column as C;
        let found = row::Entity::find().filter(C::Hash.eq(hash)).filter(C::ExpiresMs.gt(signed(now_ms)));
        let found = found.one(&self.reader).await.map_err(doing("looking for a browser that signed in"))?;
        found.map(from_row).transpose()
    }

    pub async fn signin_get(&self, id: SigninId) -> Result<Option<SigninRecord>, StoreError> {
        let found = row::Entity::find_by_id(id.to_string()).one(&self.reader).await;
        found.map_err(doing("looking for a browser that signed in"))?.map(from_row).transpose()
    }

    /// Those of a user that are signed in now, newest first.
    pub async fn signin_list(&self, user: UserId, now_ms: u64) -> Result<Vec<SigninRecord>, StoreError> {
        use row::Column as C;
        let mine = row::Entity::find().filter(C::User.eq(user.to_string())).filter(C::ExpiresMs.gt(signed(now_ms)));
        let rows = mine.order_by_desc(C::Id).all(&self.reader).await;
        rows.map_err(doing("listing browsers that signed in"))?.into_iter().map(from_row).collect()
    }

    /// That it was seen, and how long it stays signed in from now on.
    pub async fn signin_touch(&self, id: SigninId, seen_ms: u64, expires_ms: u64) -> Result<(), StoreError> {
        use row::Column as C;
        row::Entity::update_many()
            .col_expr(C::SeenMs, Expr::value(signed(seen_ms)))
            .col_expr(C::ExpiresMs, Expr::value(signed(expires_ms)))
            .filter(C::Id.eq(id.to_string()))
            .exec(&self.writer)
            .await
            .map_err(doing("keeping that a browser was seen"))?;
        Ok(())
    }

    /// Signs a browser out; false if it was not signed in.
    pub async fn signin_end(&self, id: SigninId) -> Result<bool, StoreError> {
        let deleted = row::Entity::delete_by_id(id.to_string()).exec(&self.writer).await;
        Ok(deleted.map_err(doing("signing a browser out"))?.rows_affected > 0)
    }

    pub async fn signin_prune(&self, now_ms: u64) -> Result<u64, StoreError> {
        const DOING: &str = "forgetting browsers and failures";
        let old = row::Column::ExpiresMs.lt(signed(now_ms));
        let browsers = row::Entity::delete_many().filter(old).exec(&self.writer).await.map_err(doing(DOING))?;
        let old = failure::Column::ExpiresMs.lt(signed(now_ms));
        let failures = failure::Entity::delete_many().filter(old).exec(&self.writer).await.map_err(doing(DOING))?;
        Ok(browsers.rows_affected + failures.rows_affected)
    }

    /// Counts an attempt before it is judged, so that no number of them at once gets more tries than one after the other. `free` of them
    /// cost nothing; each one after that doubles the wait, from `first_ms` up to `most_ms`. Forgotten after `keep_ms` without one.
    pub async fn signin_attempt(&self, key: &str, now_ms: u64, delay: &AttemptDelay) -> Result<Attempt, StoreError> {
        const DOING: &str = "counting an attempt to sign in";
        let counted = self.writer.execute_raw(count_statement(self, key, now_ms, delay)).await.map_err(doing(DOING))?;
        if counted.rows_affected() > 0 {
            return Ok(Attempt::Go);
        }
        let known = failure::Entity::find_by_id(key.to_owned()).one(&self.writer).await.map_err(doing(DOING))?;
        Ok(known.map_or(Attempt::Go, |known| Attempt::Wait { until_ms: unsigned(known.until_ms) }))
    }

    /// Forgets the attempts: one succeeded.
    pub async fn signin_succeeded(&self, key: &str) -> Result<(), StoreError> {
        let deleted = failure::Entity::delete_by_id(key.to_owned()).exec(&self.writer).await;
        deleted.map_err(doing("forgetting failed attempts to sign in"))?;
        Ok(())
    }
}

/// How failed attempts slow down the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttemptDelay {
    pub free: u64,
    pub first_ms: u64,
    pub most_ms: u64,
    pub keep_ms: u64,
}

/// One statement: it does nothing while the wait lasts.
fn count_statement(store: &Store, key: &str, now_ms: u64, delay: &AttemptDelay) -> Statement {
    const SQL: &str = "INSERT INTO signin_failure (key, count, until_ms, expires_ms) VALUES ($1, 1, 0, $2) \
        ON CONFLICT (key) DO UPDATE SET count = signin_failure.count + 1, expires_ms = $2, until_ms = CASE \
            WHEN signin_failure.count + 1 < $3 THEN 0 \
            WHEN signin_failure.count + 1 - $3 > 20 THEN $4 + $5 \
            WHEN $6 * (1 << CAST(signin_failure.count + 1 - $3 AS INTEGER)) > $5 THEN $4 + $5 \
            ELSE $4 + $6 * (1 << CAST(signin_failure.count + 1 - $3 AS INTEGER)) END \
        WHERE signin_failure.until_ms <= $4";
    let values = [
        key.into(),
        signed(now_ms.saturating_add(delay.keep_ms)).into(),
        signed(delay.free).into(),
        signed(now_ms).into(),
        signed(delay.most_ms).into(),
        signed(delay.first_ms).into(),
    ];
    Statement::from_sql_and_values(store.writer.get_database_backend(), SQL, values)
}

/// Signs all of a user's browsers out.
pub(crate) async fn end_all(connection: &impl ConnectionTrait, user: UserId) -> Result<(), DbErr> {
    row::Entity::delete_many().filter(row::Column::User.eq(user.to_string())).exec(connection).await?;
    Ok(())
}

fn to_row(record: &SigninRecord) -> row::ActiveModel {
    row::ActiveModel {
        id: Set(record.id.to_string()),
        user: Set(record.user.to_string()),
        hash: Set(record.hash.clone()),
        method: Set(record.method.clone()),
        address: Set(record.address.clone()),
        agent: Set(record.agent.clone()),
        created_ms: Set(signed(record.created_ms)),
        seen_ms: Set(signed(record.seen_ms)),
        expires_ms: Set(signed(record.expires_ms)),
    }
}

fn from_row(row: row::Model) -> Result<SigninRecord, StoreError> {
    const DOING: &str = "reading that a browser signed in";
    Ok(SigninRecord {
        id: row.id.parse().map_err(corrupt(DOING))?,
        user: row.user.parse().map_err(corrupt(DOING))?,
        hash: row.hash,
        method: row.method,
        address: row.address,
        agent: row.agent,
        created_ms: unsigned(row.created_ms),
        seen_ms: unsigned(row.seen_ms),
        expires_ms: unsigned(row.expires_ms),
    })
}
