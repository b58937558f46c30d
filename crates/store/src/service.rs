//! What the service takes: one row that every process reads.

use madang_model::ServiceState;
use sea_orm::{ActiveValue::Set, EntityTrait, sea_query::OnConflict};

use crate::{
    Store, StoreError,
    error::{corrupt, doing, signed, unsigned},
};

/// The row's key.
const THE_ONE: &str = "service";

/// The state that somebody set, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceRecord {
    pub state: ServiceState,
    pub reason: String,
    pub changed_by: String,
    pub changed_ms: u64,
}

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "service")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub state: String,
        pub reason: String,
        pub changed_by: String,
        pub changed_ms: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

impl Store {
    /// None if nobody ever changed it.
    pub async fn service_get(&self) -> Result<Option<ServiceRecord>, StoreError> {
        const DOING: &str = "reading the service's state";
        let row = row::Entity::find_by_id(THE_ONE).one(&self.reader).await.map_err(doing(DOING))?;
        let Some(row) = row else { return Ok(None) };
        let state = ServiceState::ALL.into_iter().find(|state| state.name() == row.state);
        let state = state.ok_or_else(|| corrupt(DOING)(format!("no state is called `{}`", row.state)))?;
        let (reason, changed_by) = (row.reason, row.changed_by);
        Ok(Some(ServiceRecord { state, reason, changed_by, changed_ms: unsigned(row.changed_ms) }))
    }

    /// The last one wins.
    pub async fn service_put(&self, record: &ServiceRecord) -> Result<(), StoreError> {
        use row::Column as C;
        let model = row::ActiveModel {
            id: Set(THE_ONE.to_owned()),
            state: Set(record.state.name().to_owned()),
            reason: Set(record.reason.clone()),
            changed_by: Set(record.changed_by.clone()),
            changed_ms: Set(signed(record.changed_ms)),
        };
        let replace =
            OnConflict::column(C::Id).update_columns([C::State, C::Reason, C::ChangedBy, C::ChangedMs]).to_owned();
        row::Entity::insert(model)
            .on_conflict(replace)
            .exec_without_returning(&self.writer)
            .await
            .map_err(doing("keeping the service's state"))?;
        Ok(())
    }
}
