//! Whether an app can be started in a sandbox's image.

use madang_image::{host::HOST_IMAGE, root::has_file};
use madang_node_api::{AppSpec, NodeError, PORT_APP, has_room};

use crate::{agent::Agent, sandbox::Sandbox};

impl Agent {
    /// An image of its own may lack what the machine has.
    pub(crate) async fn app_fits(&self, sandbox: &Sandbox, app: &AppSpec) -> Result<(), NodeError> {
        if app.name == PORT_APP {
            return Ok(());
        }
        let recipe = self.shop.shelf.recipe(&app.name)?;
        has_room(&app.name, recipe.memory_bytes, &sandbox.spec.limits)?;
        if sandbox.spec.image == HOST_IMAGE {
            let refuse = |why| Err(NodeError::Invalid(format!("{} is not available here: {why}", recipe.title)));
            return self.shop.shelf.lacks(&app.name).map_or(Ok(()), refuse);
        }
        let key = self.template(&sandbox.spec.image).await?;
        let templates = self.shop.templates();
        let plan = templates.get(&key).map(|template| &template.plan);
        match plan.and_then(|plan| recipe.lacks(|path| has_file(plan, path))) {
            Some(why) => Err(NodeError::Invalid(format!("{} is not available in this image: {why}", recipe.title))),
            None => Ok(()),
        }
    }
}
