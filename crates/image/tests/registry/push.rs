//! What goes to a registry is what comes from it.

use std::fs::File;

use madang_image::{Digest, ImageError, Progress, PullOptions, Pushed};

use crate::{
    check_layers,
    gate::{Gate, Manners},
    login,
    making::{Ground, Layer, Tar},
    noise, one_layer, pull,
    real::{Behind, Registry},
};

/// An image that was pulled, exported: more than one piece, and what lies below.
async fn archive(ground: &Ground) -> (File, Digest) {
    let source = Registry::start(None);
    let large = Layer::gzip(&Tar::default().file("large", &noise(3, 9_000_000)).done());
    source.push("s", "1", &[one_layer().remove(0), large], Behind::Nothing);
    pull(ground, &format!("{}/s:1", source.address), &PullOptions::default()).await.unwrap();
    let (file, exported) = ground.store.export_nameless(&format!("{}/s:1", source.address), "s").unwrap();
    (file, exported.digest)
}

async fn push(file: &File, reference: &str, options: &PullOptions) -> Result<Pushed, ImageError> {
    madang_image::push(file.try_clone().unwrap(), &reference.parse().unwrap(), options, &Progress::silent()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_goes_to_a_registry_and_comes_from_it_as_it_was() {
    let ground = Ground::new();
    let (file, digest) = archive(&ground).await;
    let registry = Registry::start(Some("ann:secret"));
    let reference = format!("{}/a/b:1", registry.address);
    for options in [PullOptions::default(), login("ann", "wrong"), login("bob", "secret")] {
        let denied = push(&file, &reference, &options).await.unwrap_err();
        assert!(matches!(denied, ImageError::Denied(_)) && !denied.to_string().contains("secret"), "{denied}");
    }
    let ann = login("ann", "secret");
    let missing = pull(&Ground::new(), &reference, &ann).await;
    assert!(matches!(missing, Err(ImageError::NotFound(_))), "{missing:?}");
    let pushed = push(&file, &reference, &ann).await.unwrap();
    assert!(pushed.digest == digest && pushed.sent_bytes > 11_000_000, "{pushed:?}");
    let elsewhere = Ground::new();
    let entry = pull(&elsewhere, &reference, &ann).await.unwrap();
    assert_eq!(entry.digest, digest);
    assert_eq!(std::fs::read(elsewhere.layers(&reference)[1].join("large")).unwrap(), noise(3, 9_000_000));
    let again = push(&file, &format!("{}/a/b:2", registry.address), &ann).await.unwrap();
    assert_eq!((again.digest, again.sent_bytes), (digest.clone(), 0), "it has the blobs");
    let pinned = pull(&Ground::new(), &format!("{}/a/b@{digest}", registry.address), &ann).await.unwrap();
    assert_eq!(pinned.digest, digest);
    let by_digest = push(&file, &format!("{}/a/b@{digest}", registry.address), &ann).await;
    assert!(matches!(by_digest, Err(ImageError::Invalid(_))), "{by_digest:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_asks_for_tokens_that_are_good_for_it_and_tries_again() {
    let ground = Ground::new();
    let (file, digest) = archive(&ground).await;
    let registry = Registry::start(None);
    let manners = Manners { token_for: Some("ann:secret".into()), unavailable: 3, ..Manners::default() };
    let gate = Gate::open(&registry.address, manners).await;
    let reference = format!("{}/x:1", gate.address);
    let denied = push(&file, &reference, &login("ann", "wrong")).await.unwrap_err();
    assert!(matches!(denied, ImageError::Denied(_)), "{denied}");
    let pushed = push(&file, &reference, &login("ann", "secret")).await.unwrap();
    assert_eq!(pushed.digest, digest);
    let pieces = gate.seen().iter().filter(|seen| seen.method == "PATCH" && !seen.headers.is_empty()).count();
    assert!(pieces >= 4, "{pieces}");
    let entry = pull(&Ground::new(), &format!("{}/x:1", registry.address), &PullOptions::default()).await.unwrap();
    assert_eq!(entry.digest, digest);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_archive_of_one_image_is_not_pushed() {
    let registry = Registry::start(None);
    let reference = format!("{}/x:1", registry.address);
    let junk = tempfile::tempfile().unwrap();
    std::io::Write::write_all(&mut &junk, &noise(5, 10_000)).unwrap();
    std::io::Seek::rewind(&mut &junk).unwrap();
    let refused = push(&junk, &reference, &PullOptions::default()).await.unwrap_err();
    assert!(refused.refusal().is_some(), "{refused}");
    let ground = Ground::new();
    registry.push("x", "2", &one_layer(), Behind::Nothing);
    pull(&ground, &format!("{}/x:2", registry.address), &PullOptions::default()).await.unwrap();
    check_layers(&ground, &format!("{}/x:2", registry.address), &one_layer());
    let missing = pull(&Ground::new(), &reference, &PullOptions::default()).await;
    assert!(matches!(missing, Err(ImageError::NotFound(_))), "{missing:?}");
}
