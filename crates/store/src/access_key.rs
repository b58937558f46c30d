//! Access keys: who signs requests with what, and the nonces that were used up.

use madang_ids::UserId;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, ExprTrait, QueryFilter, QueryOrder,
    sea_query::Expr,
};

use crate::{
    Store, StoreError, TurnOver,
    error::{corrupt, doing, inserting, signed, unsigned},
};

/// An access key as it is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessKeyRecord {
    /// The public part.
    pub id: String,
    pub owner: UserId,
    pub name: String,
    /// The secret, sealed with the server's key; hexadecimal.
    pub sealed: String,
    /// What its signatures must cover: `any` or `request`.
    pub signing: String,
    /// Name of the resource policy that bounds it.
    pub policy: Option<String>,
    /// Who made the secret, and may know it; None where that is not known.
    pub made_by: Option<UserId>,
    pub created_ms: u64,
    /// When the secret was made.
    pub rotated_ms: u64,
    pub expires_ms: Option<u64>,
    pub suspended_ms: Option<u64>,
}

impl std::fmt::Debug for AccessKeyRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccessKeyRecord").field("id", &self.id).field("owner", &self.owner).finish_non_exhaustive()
    }
}

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "access_key")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub owner: String,
        pub name: String,
        pub sealed: String,
        pub signing: String,
        pub policy: Option<String>,
        pub made_by: Option<String>,
        pub created_ms: i64,
        pub rotated_ms: i64,
        pub expires_ms: Option<i64>,
        pub suspended_ms: Option<i64>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

mod nonce {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "nonce")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub access_key: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub nonce: String,
        pub expires_ms: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

impl Store {
    pub async fn access_key_insert(&self, record: &AccessKeyRecord) -> Result<(), StoreError> {
        let taken = inserting("keeping an access key", format!("access key {}", record.id));
        self.directory_change(async |connection| {
            row::Entity::insert(to_row(record)).exec_without_returning(connection).await.map_err(taken)?;
            Ok(())
        })
        .await
    }

    /// Replaces all but the id; the last writer wins.
    pub async fn access_key_update(&self, record: &AccessKeyRecord) -> Result<(), StoreError> {
        self.directory_change(async |connection| {
            let which = row::Column::Id.eq(record.id.clone());
            let update = row::Entity::update_many().set(to_row(record)).filter(which).exec(connection).await;
            update.map_err(doing("changing an access key"))?;
            Ok(())
        })
        .await
    }

    pub async fn access_key_remove(&self, id: &str) -> Result<(), StoreError> {
        self.directory_change(async |connection| {
            let removed = row::Entity::delete_by_id(id.to_owned()).exec(connection).await;
            removed.map_err(doing("removing an access key"))?;
            Ok(())
        })
        .await
    }

    /// All, oldest first.
    pub async fn access_key_list(&self) -> Result<Vec<AccessKeyRecord>, StoreError> {
        use row::Column as C;
        let rows = row::Entity::find().order_by_asc(C::CreatedMs).order_by_asc(C::Id).all(&self.reader).await;
        rows.map_err(doing("listing access keys"))?.into_iter().map(from_row).collect()
    }

    /// Uses up a nonce of a key; false if it was used before, by whichever server. It is remembered until `expires_ms`.
    pub async fn nonce_use(&self, access_key: &str, nonce: &str, expires_ms: u64) -> Result<bool, StoreError> {
        let used = nonce::ActiveModel {
            access_key: Set(access_key.to_owned()),
            nonce: Set(nonce.to_owned()),
            expires_ms: Set(signed(expires_ms)),
        };
        let inserted = nonce::Entity::insert(used).exec_without_returning(&self.writer).await;
        match inserted.map_err(inserting("using up a nonce", "the nonce".into())) {
            Ok(_) => Ok(true),
            Err(StoreError::Exists { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    pub async fn nonce_prune(&self, now_ms: u64) -> Result<u64, StoreError> {
        let old = nonce::Column::ExpiresMs.lt(signed(now_ms));
        let deleted = nonce::Entity::delete_many().filter(old).exec(&self.writer).await;
        Ok(deleted.map_err(doing("forgetting old nonces"))?.rows_affected)
    }
}

/// Has those of a user's keys refused whose secrets somebody else made, or nobody knows who.
pub(crate) async fn suspend(
    connection: &impl ConnectionTrait,
    owner: UserId,
    which: TurnOver,
    now_ms: u64,
) -> Result<(), DbErr> {
    use row::Column as C;
    let which = match which {
        TurnOver::KnownToOthers => Condition::all().add(C::MadeBy.is_null().or(C::MadeBy.ne(owner.to_string()))),
        TurnOver::All => Condition::all(),
    };
    row::Entity::update_many()
        .col_expr(C::SuspendedMs, Expr::value(signed(now_ms)))
        .filter(C::Owner.eq(owner.to_string()))
        .filter(C::SuspendedMs.is_null())
        .filter(which)
        .exec(connection)
        .await?;
    Ok(())
}

fn to_row(record: &AccessKeyRecord) -> row::ActiveModel {
    row::ActiveModel {
        id: Set(record.id.clone()),
        owner: Set(record.owner.to_string()),
        name: Set(record.name.clone()),
        sealed: Set(record.sealed.clone()),
        signing: Set(record.signing.clone()),
        policy: Set(record.policy.clone()),
        made_by: Set(record.made_by.map(|user| user.to_string())),
        created_ms: Set(signed(record.created_ms)),
        rotated_ms: Set(signed(record.rotated_ms)),
        expires_ms: Set(record.expires_ms.map(signed)),
        suspended_ms: Set(record.suspended_ms.map(signed)),
    }
}

fn from_row(row: row::Model) -> Result<AccessKeyRecord, StoreError> {
    Ok(AccessKeyRecord {
        id: row.id,
        owner: row.owner.parse().map_err(corrupt("reading an access key's owner"))?,
        name: row.name,
        sealed: row.sealed,
        signing: row.signing,
        policy: row.policy,
        made_by: row
            .made_by
            .as_deref()
            .map(str::parse)
            .transpose()
            .map_err(corrupt("reading who made an access key"))?,
        created_ms: unsigned(row.created_ms),
        rotated_ms: unsigned(row.rotated_ms),
        expires_ms: row.expires_ms.map(unsigned),
        suspended_ms: row.suspended_ms.map(unsigned),
    })
}
