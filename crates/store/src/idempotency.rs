//! Idempotency keys: which request made which thing.

use sea_orm::{ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};

use crate::{
    Store, StoreError,
    error::{doing, inserting, signed},
};

/// A key that is given back again and again is asked for so often.
const CLAIMS_MAX: usize = 8;

/// A key as a request brings it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyRecord {
    /// Who asks, and the key they chose.
    pub key: String,
    /// A hash of the request: the same key with another request is a mistake.
    pub fingerprint: String,
    /// Id of what the request makes.
    pub subject: String,
    pub created_ms: u64,
}

/// What a key turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// It is new and now ours.
    New,
    /// The same request came before and made this.
    Known { subject: String },
    /// It was used for another request.
    Mismatch,
}

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "idempotency")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub key: String,
        pub fingerprint: String,
        pub subject: String,
        pub created_ms: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

impl Store {
    /// Takes the key for the request, or says what it already stands for. Of two at once one gets it.
    pub async fn idempotency_claim(&self, record: &IdempotencyRecord) -> Result<Claim, StoreError> {
        for _ in 0..CLAIMS_MAX {
            if self.idempotency_insert(record).await? {
                return Ok(Claim::New);
            }
            let known = row::Entity::find_by_id(record.key.clone())
                .one(&self.writer)
                .await
                .map_err(doing("reading an idempotency key"))?;
            match known {
                Some(known) if known.fingerprint == record.fingerprint => {
                    return Ok(Claim::Known { subject: known.subject });
                }
                Some(_) => return Ok(Claim::Mismatch),
                // Given back between the two: it is free again.
                None => {}
            }
        }
        Err(StoreError::Stale { subject: "the idempotency key".into() })
    }

    /// Whether the key was nobody's.
    async fn idempotency_insert(&self, record: &IdempotencyRecord) -> Result<bool, StoreError> {
        let model = row::ActiveModel {
            key: Set(record.key.clone()),
            fingerprint: Set(record.fingerprint.clone()),
            subject: Set(record.subject.clone()),
            created_ms: Set(signed(record.created_ms)),
        };
        let inserted = row::Entity::insert(model)
            .exec_without_returning(&self.writer)
            .await
            .map_err(inserting("taking an idempotency key", "the key".into()));
        match inserted {
            Ok(_) => Ok(true),
            Err(StoreError::Exists { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Gives a key back: the request it was taken for made nothing.
    pub async fn idempotency_release(&self, key: &str) -> Result<(), StoreError> {
        row::Entity::delete_by_id(key.to_owned())
            .exec(&self.writer)
            .await
            .map_err(doing("giving back an idempotency key"))?;
        Ok(())
    }

    /// Gives back keys whose server died before it made anything for them; returns how many. Call before the first request. A key older
    /// than every run that is kept may have made one that is forgotten, and stays.
    pub async fn idempotency_release_unused(&self) -> Result<u64, StoreError> {
        const UNUSED: &str = "DELETE FROM idempotency WHERE subject NOT IN (SELECT id FROM run) \
                              AND subject NOT IN (SELECT id FROM session) \
                              AND created_ms >= COALESCE((SELECT MIN(created_ms) FROM run), 0)";
        let done =
            self.writer.execute_unprepared(UNUSED).await.map_err(doing("giving back unused idempotency keys"))?;
        Ok(done.rows_affected())
    }

    pub async fn idempotency_prune(&self, created_before_ms: u64) -> Result<u64, StoreError> {
        let done = row::Entity::delete_many()
            .filter(row::Column::CreatedMs.lt(signed(created_before_ms)))
            .exec(&self.writer)
            .await
            .map_err(doing("forgetting old idempotency keys"))?;
        Ok(done.rows_affected)
    }
}
