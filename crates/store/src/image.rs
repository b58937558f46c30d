//! Images that were made of sessions: whose they are, and where.

use madang_ids::{ImageId, NodeId, OrganizationId, ProjectId, SessionId, UserId};
use madang_model::Owner;
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait, Condition, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
};

use crate::{
    Store, StoreError,
    error::{corrupt, doing, inserting, signed, unsigned},
};

/// An image as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageRecord {
    pub id: ImageId,
    /// Unique among its owner's.
    pub name: String,
    /// Whose it is; the project is the one that the session was for.
    pub owner: Owner,
    /// The project whose members may make sessions of it.
    pub shared_with: Option<ProjectId>,
    /// `sha256:…`; none while it is being made.
    pub digest: Option<String>,
    /// With the layers below.
    pub size_bytes: u64,
    /// The image that the session was made of.
    pub base: String,
    pub languages: Vec<String>,
    /// What it was made of.
    pub session: SessionId,
    /// Where it was made.
    pub node: NodeId,
    /// Where it was brought later.
    pub copies: Vec<NodeId>,
    pub created_ms: u64,
}

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "image")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub name: String,
        pub owner: String,
        pub project: String,
        pub organization: String,
        pub shared_with: Option<String>,
        pub digest: Option<String>,
        pub size_bytes: i64,
        pub base: String,
        pub languages: String,
        pub session: String,
        pub node: String,
        pub copies: String,
        pub created_ms: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

impl Store {
    /// Refuses a name that another image of the same owner has.
    pub async fn image_insert(&self, record: &ImageRecord) -> Result<(), StoreError> {
        let taken = inserting("keeping an image", format!("the image `{}`", record.name));
        row::Entity::insert(to_row(record)).exec_without_returning(&self.writer).await.map_err(taken)?;
        Ok(())
    }

    /// What has come of it; says whether it was there. Its name and who may use it may have changed meanwhile, and stay.
    pub async fn image_made(&self, record: &ImageRecord) -> Result<bool, StoreError> {
        let made = row::ActiveModel {
            digest: Set(record.digest.clone()),
            size_bytes: Set(signed(record.size_bytes)),
            languages: Set(record.languages.join(" ")),
            ..row::ActiveModel::default()
        };
        self.image_put(record.id, made).await
    }

    /// Another name, and who may use it, as far as that is said; says whether it was there.
    pub async fn image_change(
        &self,
        id: ImageId,
        name: Option<&str>,
        shared_with: Option<Option<ProjectId>>,
    ) -> Result<bool, StoreError> {
        let changed = row::ActiveModel {
            name: name.map_or(NotSet, |name| Set(name.to_owned())),
            shared_with: shared_with.map_or(NotSet, |with| Set(with.map(|project| project.to_string()))),
            ..row::ActiveModel::default()
        };
        self.image_put(id, changed).await
    }

    async fn image_put(&self, id: ImageId, change: row::ActiveModel) -> Result<bool, StoreError> {
        let taken = inserting("changing an image", "the name of another of your images".to_owned());
        let which = row::Entity::update_many().set(change).filter(row::Column::Id.eq(id.to_string()));
        Ok(which.exec(&self.writer).await.map_err(taken)?.rows_affected > 0)
    }

    /// It was brought to a node; says whether the image is still there.
    pub async fn image_copied(&self, id: ImageId, node: NodeId) -> Result<bool, StoreError> {
        const DOING: &str = "keeping where an image is";
        loop {
            let found = row::Entity::find_by_id(id.to_string()).one(&self.writer).await.map_err(doing(DOING))?;
            let Some(row) = found else { return Ok(false) };
            let record = from_row(row.clone())?;
            if record.node == node || record.copies.contains(&node) {
                return Ok(true);
            }
            let copies = format!("{} {node}", row.copies).trim_start().to_owned();
            let change = row::ActiveModel { copies: Set(copies), ..row::ActiveModel::default() };
            // Somebody else may have brought it elsewhere meanwhile.
            let which = row::Entity::update_many().set(change).filter(row::Column::Id.eq(id.to_string()));
            let which = which.filter(row::Column::Copies.eq(row.copies));
            if which.exec(&self.writer).await.map_err(doing(DOING))?.rows_affected > 0 {
                return Ok(true);
            }
        }
    }

    /// One that is not there is left so.
    pub async fn image_forget(&self, id: ImageId) -> Result<(), StoreError> {
        let which = row::Entity::delete_by_id(id.to_string());
        which.exec(&self.writer).await.map(drop).map_err(doing("forgetting an image"))
    }

    /// Forgets those of which nothing has come and that were begun before; says how many.
    pub async fn image_prune(&self, before_ms: u64) -> Result<u64, StoreError> {
        let cut = row::Entity::delete_many()
            .filter(row::Column::Digest.is_null())
            .filter(row::Column::CreatedMs.lt(signed(before_ms)));
        Ok(cut.exec(&self.writer).await.map_err(doing("forgetting images"))?.rows_affected)
    }

    pub async fn image_get(&self, id: ImageId) -> Result<Option<ImageRecord>, StoreError> {
        let found = row::Entity::find_by_id(id.to_string()).one(&self.reader).await;
        found.map_err(doing("reading an image"))?.map(from_row).transpose()
    }

    /// Those of a user and those shared with one of these projects, oldest first, at most so many.
    pub async fn image_list(
        &self,
        user: UserId,
        projects: &[ProjectId],
        limit: u64,
    ) -> Result<Vec<ImageRecord>, StoreError> {
        let shared = row::Column::SharedWith.is_in(projects.iter().map(ProjectId::to_string));
        let reach = Condition::any().add(row::Column::Owner.eq(user.to_string())).add(shared);
        let rows = row::Entity::find().filter(reach).order_by_asc(row::Column::Id).limit(limit).all(&self.reader).await;
        rows.map_err(doing("listing images"))?.into_iter().map(from_row).collect()
    }

    /// Those that are being made count too.
    pub async fn image_count(&self, user: UserId) -> Result<u64, StoreError> {
        let theirs = row::Entity::find().filter(row::Column::Owner.eq(user.to_string()));
        theirs.count(&self.reader).await.map_err(doing("counting images"))
    }
}

fn to_row(record: &ImageRecord) -> row::ActiveModel {
    row::ActiveModel {
        id: Set(record.id.to_string()),
        name: Set(record.name.clone()),
        owner: Set(record.owner.user.to_string()),
        project: Set(record.owner.project.to_string()),
        organization: Set(record.owner.organization.to_string()),
        shared_with: Set(record.shared_with.map(|project| project.to_string())),
        digest: Set(record.digest.clone()),
        size_bytes: Set(signed(record.size_bytes)),
        base: Set(record.base.clone()),
        languages: Set(record.languages.join(" ")),
        session: Set(record.session.to_string()),
        node: Set(record.node.to_string()),
        copies: Set(record.copies.iter().map(NodeId::to_string).collect::<Vec<_>>().join(" ")),
        created_ms: Set(signed(record.created_ms)),
    }
}

fn from_row(row: row::Model) -> Result<ImageRecord, StoreError> {
    const DOING: &str = "reading an image";
    let shared_with = row.shared_with.map(|project| project.parse()).transpose().map_err(corrupt(DOING))?;
    Ok(ImageRecord {
        id: row.id.parse().map_err(corrupt(DOING))?,
        name: row.name,
        owner: Owner {
            user: row.owner.parse().map_err(corrupt(DOING))?,
            project: row.project.parse().map_err(corrupt(DOING))?,
            organization: row.organization.parse::<OrganizationId>().map_err(corrupt(DOING))?,
        },
        shared_with,
        digest: row.digest,
        size_bytes: unsigned(row.size_bytes),
        base: row.base,
        languages: row.languages.split_whitespace().map(str::to_owned).collect(),
        session: row.session.parse().map_err(corrupt(DOING))?,
        node: row.node.parse().map_err(corrupt(DOING))?,
        copies: row.copies.split_whitespace().map(str::parse).collect::<Result<_, _>>().map_err(corrupt(DOING))?,
        created_ms: unsigned(row.created_ms),
    })
}
