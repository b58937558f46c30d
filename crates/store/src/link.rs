//! Passwords, and the one-time links that set them. Of both only hashes are kept.

use madang_ids::{LinkId, UserId};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, DatabaseTransaction, DbErr, EntityTrait, QueryFilter, QuerySelect, TransactionTrait,
    sea_query::{Expr, OnConflict},
};

use crate::{
    Hint, Store, StoreError,
    error::{corrupt, doing, inserting, signed, unsigned},
};

/// A link that sets a password, once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkRecord {
    pub id: LinkId,
    pub user: UserId,
    /// `invitation` or `reset`.
    pub kind: String,
    /// SHA-256 of the link's secret, hexadecimal.
    pub hash: String,
    pub created_ms: u64,
    pub expires_ms: u64,
    pub used_ms: Option<u64>,
}

/// What ends of the ways to be a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TurnOver {
    /// What others may know: unused links, browsers that are signed in, keys whose secret somebody else made.
    KnownToOthers,
    /// That, and all of the user's own keys and tokens.
    All,
}

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "link")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub user: String,
        pub kind: String,
        pub hash: String,
        pub created_ms: i64,
        pub expires_ms: i64,
        pub used_ms: Option<i64>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

mod password {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "password")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub user: String,
        pub hash: String,
        pub changed_ms: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

impl Store {
    /// A user's new link. Those the user had before are good no more.
    pub async fn link_insert(&self, record: &LinkRecord) -> Result<(), StoreError> {
        const DOING: &str = "keeping a one-time link";
        let transaction = self.writer.begin().await.map_err(doing(DOING))?;
        let unused = row::Column::UsedMs.is_null();
        let of_user = row::Column::User.eq(record.user.to_string());
        let deleted = row::Entity::delete_many().filter(of_user).filter(unused).exec(&transaction).await;
        deleted.map_err(doing(DOING))?;
        let row = row::ActiveModel {
            id: Set(record.id.to_string()),
            user: Set(record.user.to_string()),
            kind: Set(record.kind.clone()),
            hash: Set(record.hash.clone()),
            created_ms: Set(signed(record.created_ms)),
            expires_ms: Set(signed(record.expires_ms)),
            used_ms: Set(None),
        };
        let inserted = row::Entity::insert(row).exec_without_returning(&transaction).await;
        inserted.map_err(inserting(DOING, "the link".into()))?;
        transaction.commit().await.map_err(doing(DOING))
    }

    /// The link with this secret, if it is good now.
    pub async fn link_find(&self, hash: &str, now_ms: u64) -> Result<Option<LinkRecord>, StoreError> {
        use row::Column as C;
        let found = row::Entity::find()
            .filter(C::Hash.eq(hash))
            .filter(C::UsedMs.is_null())
            .filter(C::ExpiresMs.gt(signed(now_ms)))
            .one(&self.reader)
            .await
            .map_err(doing("looking for a one-time link"))?;
        found.map(from_row).transpose()
    }

    /// Ends every way to be this user but the password.
    pub async fn user_turn_over(&self, user: UserId, now_ms: u64) -> Result<(), StoreError> {
        const DOING: &str = "ending all ways to be a user";
        self.directory_change(async |connection| {
            turn_over(connection, user, TurnOver::All, now_ms).await.map_err(doing(DOING))
        })
        .await
    }

    /// Uses a link up, keeps the password's hash and ends what a new one ends: all or nothing. False if the link is good no more; of several
    /// at once one gets true.
    pub async fn link_use(
        &self,
        link: &LinkRecord,
        password: &str,
        ends: TurnOver,
        now_ms: u64,
    ) -> Result<bool, StoreError> {
        use row::Column as C;
        const DOING: &str = "using a one-time link";
        let transaction = self.writer.begin().await.map_err(doing(DOING))?;
        crate::directory::grow(&transaction).await.map_err(doing(DOING))?;
        let used = row::Entity::update_many()
            .col_expr(C::UsedMs, Expr::value(signed(now_ms)))
            .filter(C::Id.eq(link.id.to_string()))
            .filter(C::UsedMs.is_null())
            .filter(C::ExpiresMs.gt(signed(now_ms)))
            .exec(&transaction)
            .await
            .map_err(doing(DOING))?;
        if used.rows_affected != 1 {
            return Ok(false);
        }
        set_password(&transaction, link.user, password, now_ms).await.map_err(doing(DOING))?;
        turn_over(&transaction, link.user, ends, now_ms).await.map_err(doing(DOING))?;
        transaction.commit().await.map_err(doing(DOING))?;
        self.hint(Hint::Access);
        Ok(true)
    }

    /// The hash of a user's password; none if there is none.
    pub async fn password_get(&self, user: UserId) -> Result<Option<String>, StoreError> {
        let found = password::Entity::find_by_id(user.to_string()).one(&self.reader).await;
        Ok(found.map_err(doing("reading a password's hash"))?.map(|row| row.hash))
    }

    /// Replaces the password that has the hash `seen` by one with the hash `new`, with all that follows; false if the password is another by now.
    pub async fn password_change(
        &self,
        user: UserId,
        [seen, new]: [&str; 2],
        ends: TurnOver,
        now_ms: u64,
    ) -> Result<bool, StoreError> {
        use password::Column as C;
        const DOING: &str = "changing a password";
        let transaction = self.writer.begin().await.map_err(doing(DOING))?;
        crate::directory::grow(&transaction).await.map_err(doing(DOING))?;
        let changed = password::Entity::update_many()
            .col_expr(C::Hash, Expr::value(new))
            .col_expr(C::ChangedMs, Expr::value(signed(now_ms)))
            .filter(C::User.eq(user.to_string()))
            .filter(C::Hash.eq(seen))
            .exec(&transaction)
            .await
            .map_err(doing(DOING))?;
        if changed.rows_affected != 1 {
            return Ok(false);
        }
        turn_over(&transaction, user, ends, now_ms).await.map_err(doing(DOING))?;
        transaction.commit().await.map_err(doing(DOING))?;
        self.hint(Hint::Access);
        Ok(true)
    }

    pub async fn link_prune(&self, now_ms: u64) -> Result<u64, StoreError> {
        let old = row::Column::ExpiresMs.lt(signed(now_ms));
        let deleted = row::Entity::delete_many().filter(old).exec(&self.writer).await;
        Ok(deleted.map_err(doing("forgetting old one-time links"))?.rows_affected)
    }
}

/// What others may know of a way to be this user is good no more: unused links, keys that others made, and browsers that are signed in.
/// For when the user has a new password, or may do other things than before; the version of the people has to grow before, in the transaction.
pub(crate) async fn turn_over(
    transaction: &DatabaseTransaction,
    user: UserId,
    ends: TurnOver,
    now_ms: u64,
) -> Result<(), DbErr> {
    let unused = row::Column::UsedMs.is_null();
    row::Entity::delete_many().filter(row::Column::User.eq(user.to_string())).filter(unused).exec(transaction).await?;
    crate::signin::end_all(transaction, user).await?;
    if ends == TurnOver::All {
        crate::token::end_all(transaction, user).await?;
    }
    crate::ssh_key::forget(transaction, user, ends).await?;
    crate::access_key::suspend(transaction, user, ends, now_ms).await
}

/// Whether a password's hash is still this one. It stays so until the transaction has ended.
pub(crate) async fn is_password(transaction: &DatabaseTransaction, user: UserId, hash: &str) -> Result<bool, DbErr> {
    let is = password::Entity::find_by_id(user.to_string()).lock_shared().one(transaction).await?;
    Ok(is.is_some_and(|is| is.hash == hash))
}

async fn set_password(connection: &impl ConnectionTrait, user: UserId, hash: &str, now_ms: u64) -> Result<(), DbErr> {
    use password::Column as C;
    let row = password::ActiveModel {
        user: Set(user.to_string()),
        hash: Set(hash.to_owned()),
        changed_ms: Set(signed(now_ms)),
    };
    let replace = OnConflict::column(C::User).update_columns([C::Hash, C::ChangedMs]).to_owned();
    password::Entity::insert(row).on_conflict(replace).exec_without_returning(connection).await?;
    Ok(())
}

fn from_row(row: row::Model) -> Result<LinkRecord, StoreError> {
    const DOING: &str = "reading a one-time link";
    Ok(LinkRecord {
        id: row.id.parse().map_err(corrupt(DOING))?,
        user: row.user.parse().map_err(corrupt(DOING))?,
        kind: row.kind,
        hash: row.hash,
        created_ms: unsigned(row.created_ms),
        expires_ms: unsigned(row.expires_ms),
        used_ms: row.used_ms.map(unsigned),
    })
}
