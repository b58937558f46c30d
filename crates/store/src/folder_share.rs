//! Shares of folders: who besides its owner may reach one, and what they may do.

use madang_ids::{FolderId, UserId};
use madang_model::{FolderOwner, FolderPermission};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DatabaseTransaction, DbErr, EntityTrait, PaginatorTrait,
    QueryFilter, QueryOrder, TransactionTrait, sea_query::OnConflict,
};

use crate::{
    FolderRecord, Store, StoreError,
    error::{corrupt, doing, signed, unsigned},
    folder,
};

/// A share as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderShareRecord {
    pub folder: FolderId,
    /// A user, or a project's members.
    pub grantee: FolderOwner,
    pub permission: FolderPermission,
    pub created_by: UserId,
    pub created_ms: u64,
}

pub(crate) mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "folder_share")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub folder: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub grantee: String,
        pub permission: String,
        pub created_by: String,
        pub created_ms: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

impl Store {
    /// Makes the share of a folder that is still as it was `seen`, or changes what it allows. No more than `most` are made.
    pub async fn folder_share_set(
        &self,
        seen: &FolderRecord,
        record: &FolderShareRecord,
        most: usize,
    ) -> Result<(), StoreError> {
        const DOING: &str = "keeping a share";
        let transaction = self.writer.begin().await.map_err(doing(DOING))?;
        set(&transaction, seen, record, most).await?;
        transaction.commit().await.map_err(doing(DOING))
    }

    /// Says whether there was one.
    pub async fn folder_share_remove(&self, folder: FolderId, grantee: FolderOwner) -> Result<bool, StoreError> {
        let which = row::Entity::delete_by_id((folder.to_string(), grantee.to_string()));
        let done = which.exec(&self.writer).await.map_err(doing("ending a share"))?;
        Ok(done.rows_affected > 0)
    }

    /// Of these folders, by folder and grantee.
    pub async fn folder_share_list(&self, folders: &[FolderId]) -> Result<Vec<FolderShareRecord>, StoreError> {
        const DOING: &str = "listing shares";
        let rows = row::Entity::find()
            .filter(row::Column::Folder.is_in(folders.iter().map(FolderId::to_string)))
            .order_by_asc(row::Column::Folder)
            .order_by_asc(row::Column::Grantee)
            .all(&self.reader)
            .await
            .map_err(doing(DOING))?;
        let record = |row: row::Model| {
            let permission = FolderPermission::from_name(&row.permission);
            Ok(FolderShareRecord {
                folder: row.folder.parse().map_err(corrupt(DOING))?,
                grantee: row.grantee.parse().map_err(corrupt(DOING))?,
                permission: permission.ok_or_else(|| corrupt(DOING)(row.permission))?,
                created_by: row.created_by.parse().map_err(corrupt(DOING))?,
                created_ms: unsigned(row.created_ms),
            })
        };
        rows.into_iter().map(record).collect()
    }
}

/// Nobody else changes the folder or its number of shares until the end of the transaction.
pub(crate) async fn set(
    transaction: &DatabaseTransaction,
    seen: &FolderRecord,
    record: &FolderShareRecord,
    most: usize,
) -> Result<(), StoreError> {
    const DOING: &str = "keeping a share";
    folder::stay(transaction, seen).await?;
    let others = row::Entity::find()
        .filter(row::Column::Folder.eq(record.folder.to_string()))
        .filter(row::Column::Grantee.ne(record.grantee.to_string()));
    if others.count(transaction).await.map_err(doing(DOING))? >= most as u64 {
        return Err(StoreError::Limit { subject: format!("`shares` of the folder `{}`", seen.name), most });
    }
    let model = row::ActiveModel {
        folder: Set(record.folder.to_string()),
        grantee: Set(record.grantee.to_string()),
        permission: Set(record.permission.name().to_owned()),
        created_by: Set(record.created_by.to_string()),
        created_ms: Set(signed(record.created_ms)),
    };
    let key = [row::Column::Folder, row::Column::Grantee];
    let change = OnConflict::columns(key).update_columns([row::Column::Permission, row::Column::CreatedBy]).to_owned();
    row::Entity::insert(model).on_conflict(change).exec_without_returning(transaction).await.map_err(doing(DOING))?;
    Ok(())
}

pub(crate) async fn forget(connection: &impl ConnectionTrait, folder: FolderId) -> Result<(), DbErr> {
    row::Entity::delete_many().filter(row::Column::Folder.eq(folder.to_string())).exec(connection).await?;
    Ok(())
}
