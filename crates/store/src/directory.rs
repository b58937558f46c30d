//! The version of all people together: it grows with every change of an organization, a project, a user, a membership or a token.

use sea_orm::{ConnectionTrait, DbErr, EntityTrait, ExprTrait, TransactionTrait, sea_query::Expr};

use crate::{
    Hint, Store, StoreError,
    error::{doing, unsigned},
};

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "directory")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: i64,
        pub version: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

impl Store {
    /// Whoever remembers people reads them again when this has grown.
    pub async fn directory_version(&self) -> Result<u64, StoreError> {
        let row = row::Entity::find().one(&self.reader).await.map_err(doing("reading the version of the people"))?;
        Ok(row.map_or(0, |row| unsigned(row.version)))
    }

    /// One change of people and the new version, in one transaction. Changes of people go one after the other.
    pub(crate) async fn directory_change<F>(&self, change: F) -> Result<(), StoreError>
    where
        F: AsyncFnOnce(&sea_orm::DatabaseTransaction) -> Result<(), StoreError>,
    {
        const DOING: &str = "changing people";
        let transaction = self.writer.begin().await.map_err(doing(DOING))?;
        grow(&transaction).await.map_err(doing("growing the version of the people"))?;
        change(&transaction).await?;
        transaction.commit().await.map_err(doing(DOING))?;
        self.hint(Hint::Access);
        Ok(())
    }
}

pub(crate) async fn grow(connection: &impl ConnectionTrait) -> Result<(), DbErr> {
    let grown = Expr::col(row::Column::Version).add(1);
    row::Entity::update_many().col_expr(row::Column::Version, grown).exec(connection).await?;
    Ok(())
}
