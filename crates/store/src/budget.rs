//! Budgets, and what was spent of them.

use std::collections::BTreeMap;

use madang_ids::{BudgetId, UserId};
use madang_model::{Budget, BudgetHolder};
use sea_orm::{
    ActiveValue::Set,
    ConnectionTrait, EntityTrait, ExprTrait, QueryOrder,
    sea_query::{Expr, Query},
};

use crate::{
    Store, StoreError,
    error::{corrupt, doing, inserting, signed, unsigned},
    usage_read::{parted, parts_of},
};

/// A budget as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BudgetRecord {
    pub id: BudgetId,
    pub budget: Budget,
    pub created_by: UserId,
    pub created_ms: u64,
}

/// Whose spending is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SpentBy {
    User,
    Project,
}

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "budget")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub holder: String,
        #[sea_orm(column_type = "Text")]
        pub body: String,
        pub created_by: String,
        pub created_ms: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

impl Store {
    pub async fn budget_insert(&self, record: &BudgetRecord) -> Result<(), StoreError> {
        let holder = match record.budget.holder {
            BudgetHolder::User(id) => id.to_string(),
            BudgetHolder::Project(id) => id.to_string(),
        };
        let model = row::ActiveModel {
            id: Set(record.id.to_string()),
            holder: Set(holder),
            body: Set(serde_json::to_string(&record.budget).map_err(corrupt("writing a budget"))?),
            created_by: Set(record.created_by.to_string()),
            created_ms: Set(signed(record.created_ms)),
        };
        let subject = format!("budget {}", record.id);
        self.directory_change(async |connection| {
            let insert = row::Entity::insert(model).exec_without_returning(connection).await;
            insert.map_err(inserting("keeping a budget", subject))?;
            Ok(())
        })
        .await
    }

    /// One that is not there is left so.
    pub async fn budget_remove(&self, id: BudgetId) -> Result<(), StoreError> {
        self.directory_change(async |connection| {
            row::Entity::delete_by_id(id.to_string()).exec(connection).await.map_err(doing("ending a budget"))?;
            Ok(())
        })
        .await
    }

    /// The oldest first.
    pub async fn budget_list(&self) -> Result<Vec<BudgetRecord>, StoreError> {
        const DOING: &str = "reading a budget";
        let rows = row::Entity::find().order_by_asc(row::Column::Id).all(&self.reader).await;
        let record = |row: row::Model| {
            Ok(BudgetRecord {
                id: row.id.parse().map_err(corrupt(DOING))?,
                budget: serde_json::from_str(&row.body).map_err(corrupt(DOING))?,
                created_by: row.created_by.parse().map_err(corrupt(DOING))?,
                created_ms: unsigned(row.created_ms),
            })
        };
        rows.map_err(doing("listing budgets"))?.into_iter().map(record).collect()
    }

    /// What each of these users or projects has spent on days from one on and before another, in thousandths of a millionth. Who has spent
    /// nothing is left out.
    pub async fn usage_spent(
        &self,
        by: SpentBy,
        ids: &[String],
        from_day: u64,
        until_day: u64,
    ) -> Result<BTreeMap<String, u128>, StoreError> {
        const DOING: &str = "summing up what was spent";
        let column = match by {
            SpentBy::User => "owner",
            SpentBy::Project => "project",
        };
        let mut select = Query::select().expr_as(Expr::col(column), "name").from("usage_day").to_owned();
        parts_of(&mut select, "cost_nano", ("cost_whole", "cost_rest"));
        select.and_where(Expr::col(column).is_in(ids.iter().map(String::as_str)));
        select.and_where(Expr::col("day").gte(signed(from_day)));
        select.and_where(Expr::col("day").lt(signed(until_day)));
        let rows = self.reader.query_all(select.group_by_col(column)).await.map_err(doing(DOING))?;
        let spent = |row: &sea_orm::QueryResult| {
            let cost = parted(row, "cost_whole", "cost_rest")?;
            Ok((row.try_get("", "name")?, cost))
        };
        rows.iter().map(spent).collect::<Result<_, _>>().map_err(doing(DOING))
    }
}
