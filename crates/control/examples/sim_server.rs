//! The real server over the simulated node, for whoever tests a client: `cargo run -p madang-control --example sim_server -- HOME [ADDRESS]`.

use std::{error::Error, sync::Arc};

use madang_control::{ControlConfig, Server};
use madang_testkit::SimNode;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let home = arguments.next().ok_or("give a directory")?;
    let mut config = ControlConfig::new(home);
    config.listen = Some(arguments.next().as_deref().unwrap_or("127.0.0.1:0").parse()?);
    let node = SimNode::new();
    let server = Server::build(config, Some(Arc::new(node.clone()))).await?;
    let address = server.address().ok_or("no address")?;
    println!("listening on http://{address}; the token is in {}", server.admin_token_path().display());
    // The simulated clock goes with the real one here.
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(std::time::Duration::from_millis(10));
        loop {
            ticks.tick().await;
            node.advance(10);
        }
    });
    Ok(server.spawn().wait().await?)
}
