//! `madang image`: what sandboxes can be made from.

use madang_client::Client;
use madang_ids::ByteSize;

use crate::{
    args::{ImageArgs, ImageCommand},
    exit::Failure,
    print,
    print::Cell,
};

pub async fn run(args: ImageArgs) -> Result<u8, Failure> {
    match args.command {
        ImageCommand::Ls { json } => list(json.json).await?,
        _ => return Err(Failure::internal("images cannot be changed by this build yet")),
    }
    Ok(0)
}

async fn list(json: bool) -> Result<(), Failure> {
    let images = Client::discover()?.images().await?;
    if json {
        return print::json(&images);
    }
    let rows: Vec<Vec<Cell>> = images
        .iter()
        .map(|image| {
            vec![
                image.name.clone().into(),
                ByteSize(image.size_bytes).to_string().into(),
                image.languages.join(" ").into(),
                image.digest.clone().unwrap_or_default().into(),
            ]
        })
        .collect();
    print::table(&["NAME", "SIZE", "LANGUAGES", "DIGEST"], &rows)
}
