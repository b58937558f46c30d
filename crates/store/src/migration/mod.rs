//! Changes of the tables, oldest first. Each only adds or only removes (expand, then contract in a later release), so that the
//! program before and the program after can both work on the tables between them.

use sea_orm_migration::{MigrationTrait, MigratorTrait};

mod m0001_first;

pub(crate) struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(m0001_first::Migration)]
    }
}
