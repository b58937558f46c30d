//! Whose a row is: three columns that sessions and runs share.

use madang_model::Owner;

use crate::{StoreError, error::corrupt};

pub(crate) fn owner_read(user: &str, project: &str, organization: &str) -> Result<Owner, StoreError> {
    const DOING: &str = "reading an owner";
    Ok(Owner {
        user: user.parse().map_err(corrupt(DOING))?,
        project: project.parse().map_err(corrupt(DOING))?,
        organization: organization.parse().map_err(corrupt(DOING))?,
    })
}
