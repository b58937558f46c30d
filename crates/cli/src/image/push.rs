//! `madang image push`: from here to a registry. The server is asked for the image's bytes and learns nothing of the registry or of who signs in there.

use std::fs::File;

use madang_client::{Client, ClientError};
use madang_ids::ByteSize;
use madang_image::{PullOptions, Reference};

use super::{credentials, failure, progress, store, write_all};
use crate::{args::PushArgs, exit::Failure, print};

pub async fn push(args: PushArgs) -> Result<(), Failure> {
    let reference: Reference =
        args.reference.parse().map_err(|error: madang_image::BadReference| Failure::usage(error.to_string()))?;
    let options = PullOptions { credentials: credentials(args.user)?, ..PullOptions::default() };
    let archive = archive(&args.image).await?;
    let pushed = madang_image::push(archive, &reference, &options, &progress()).await.map_err(failure)?;
    if args.json {
        return print::json(&pushed);
    }
    let sent = ByteSize(pushed.sent_bytes);
    print::say(&format!("{} {} {sent} sent\n", pushed.reference, pushed.digest))
}

/// The image in a file without a name: from the server what was made of its sessions, from the store the others.
async fn archive(image: &str) -> Result<File, Failure> {
    let wrong = |error: std::io::Error| Failure::internal(format!("a file for the image: {error}"));
    let mut file = tempfile::tempfile().map_err(wrong)?;
    match Client::discover()?.image_export(image).await {
        Ok(bytes) => {
            let to = tokio::fs::File::from_std(file.try_clone().map_err(wrong)?);
            write_all(bytes, to, wrong).await?;
        }
        Err(ClientError::Unreachable { .. }) => drop(store()?.export_to(image, &file).map_err(failure)?),
        Err(ClientError::Refused(problem)) if problem.status == 404 => {
            store()?.export_to(image, &file).map_err(failure)?;
        }
        Err(error) => return Err(error.into()),
    }
    std::io::Seek::rewind(&mut file).map_err(wrong)?;
    Ok(file)
}
