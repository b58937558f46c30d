//! Pulling from and pushing to a real registry server (Debian's `docker-registry`, see `scripts/install-test-tools`), also through a bad network.

#![allow(clippy::unwrap_used)] // A test's way to say that something must be so.

mod gate;
#[path = "../making/mod.rs"]
mod making;
mod push;
mod real;

use std::{collections::BTreeSet, fs, time::Duration};

use gate::{Gate, Manners};
use madang_image::{Credentials, Digest, ImageEntry, ImageError, Progress, PullOptions, Reference, Refusal, Transport};
use making::{Ground, Layer, Tar};
use real::{Behind, Registry};

/// For what takes as long as the machine lets it.
const PATIENCE: Duration = Duration::from_secs(120);

/// Bytes that do not pack, different for every seed.
fn noise(seed: u32, length: usize) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[0]
    };
    (0..length).map(|_| next()).collect()
}

fn layers() -> Vec<Layer> {
    let tar = |seed: u32| Tar::default().file(&format!("noise{seed}"), &noise(seed, 700_000)).done();
    vec![Layer::gzip(&tar(1)), Layer::zstd(&tar(2)), Layer::plain(tar(3)), Layer::gzip(&tar(4)), Layer::gzip(&tar(5))]
}

fn one_layer() -> Vec<Layer> {
    vec![Layer::plain(Tar::default().file("noise", &noise(9, 2_000_000)).done())]
}

async fn pull(ground: &Ground, reference: &str, options: &PullOptions) -> Result<ImageEntry, ImageError> {
    let reference: Reference = reference.parse().unwrap();
    ground.store.pull(&reference, options, &Progress::silent()).await
}

fn login(user: &str, password: &str) -> PullOptions {
    let credentials = Credentials { user: user.into(), password: password.into() };
    PullOptions { credentials: Some(credentials), ..PullOptions::default() }
}

fn check_layers(ground: &Ground, name: &str, layers: &[Layer]) {
    let found: Vec<String> = ground.layers(name).iter().map(|path| path.to_string_lossy().into_owned()).collect();
    assert_eq!(found.len(), layers.len());
    for (path, layer) in found.iter().zip(layers) {
        assert!(path.ends_with(&format!("{}/fs", layer.diff_id.hex())));
    }
    for rest in ["downloads", "tmp"] {
        assert_eq!(fs::read_dir(ground.path("store").join(rest)).unwrap().count(), 0, "{rest} is not empty");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_pulled_by_tag_by_digest_and_through_an_index() {
    let registry = Registry::start(None);
    let layers = layers();
    let digest = registry.push("a/b", "plain", &layers, Behind::Nothing);
    registry.push("a/b", "indexed", &layers, Behind::Index);
    for version in [":plain".to_owned(), ":indexed".to_owned(), format!("@{digest}")] {
        let ground = Ground::new();
        let reference = format!("{}/a/b{version}", registry.address);
        let entry = pull(&ground, &reference, &PullOptions::default()).await.unwrap();
        assert_eq!((entry.name.as_str(), &entry.digest), (reference.as_str(), &digest));
        check_layers(&ground, &reference, &layers);
        assert_eq!(fs::read(ground.layers(&reference)[1].join("noise2")).unwrap(), noise(2, 700_000));
    }
    let missing = pull(&Ground::new(), &format!("{}/a/b:missing", registry.address), &PullOptions::default()).await;
    assert!(matches!(missing, Err(ImageError::NotFound(_))), "{missing:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn cut_downloads_go_on_where_they_stopped() {
    let registry = Registry::start(None);
    let layers = one_layer();
    registry.push("x", "1", &layers, Behind::Nothing);
    let gate = Gate::open(&registry.address, Manners::default()).await;
    let blob = Digest::of(&layers[0].packed);
    let ground = Ground::new();
    let reference = format!("{}/x:1", gate.address);

    // The configuration is a blob too, but far smaller than a cut.
    gate.behave(Manners { cut: Some((600_000, 3)), ..Manners::default() });
    pull(&ground, &reference, &PullOptions::default()).await.unwrap();
    check_layers(&ground, &reference, &layers);
    let ranges: Vec<Option<String>> = requests(&gate, &blob);
    // One of the three cuts met the configuration.
    assert_eq!(ranges, [None, Some("bytes=600000-".into()), Some("bytes=1200000-".into())]);
}

fn requests(gate: &Gate, blob: &Digest) -> Vec<Option<String>> {
    let of_blob = gate.blobs().into_iter().filter(|seen| seen.path.ends_with(&blob.to_string()));
    of_blob.map(|seen| seen.headers.get("range").cloned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_later_pull_goes_on_where_an_earlier_one_gave_up() {
    let registry = Registry::start(None);
    let layers = one_layer();
    registry.push("x", "1", &layers, Behind::Nothing);
    let gate = Gate::open(&registry.address, Manners { cut: Some((1000, usize::MAX)), ..Manners::default() }).await;
    let blob = Digest::of(&layers[0].packed);
    let ground = Ground::new();
    let reference = format!("{}/x:1", gate.address);
    // Long enough for something to arrive on a busy machine, too short for all of it.
    let hurried = PullOptions { deadline: Duration::from_secs(10), ..PullOptions::default() };
    let partial = ground.path("store/downloads").join(blob.hex());
    let mut tries = 0;
    let arrived = loop {
        let failed = pull(&ground, &reference, &hurried).await;
        assert!(matches!(failed, Err(ImageError::Unavailable(_))), "{failed:?}");
        assert!(ground.store.list().unwrap().is_empty());
        match fs::metadata(&partial).map_or(0, |meta| meta.len()) {
            0 if tries < 5 => tries += 1,
            arrived => break arrived,
        }
    };
    assert!(arrived > 0 && arrived < 2_000_000, "{arrived}");

    gate.behave(Manners::default());
    let before = requests(&gate, &blob).len();
    pull(&ground, &reference, &PullOptions::default()).await.unwrap();
    // The last of it may have been written only after it was looked at.
    let asked = requests(&gate, &blob).split_off(before);
    let [Some(range)] = &asked[..] else { panic!("{asked:?}") };
    let from: u64 = range.strip_prefix("bytes=").and_then(|range| range.strip_suffix('-')).unwrap().parse().unwrap();
    assert!((arrived..2_000_000).contains(&from), "{range} after {arrived}");
    check_layers(&ground, &reference, &layers);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_partial_download_is_thrown_away() {
    let registry = Registry::start(None);
    let layers = one_layer();
    registry.push("x", "1", &layers, Behind::Nothing);
    let ground = Ground::new();
    let partial = ground.path("store/downloads").join(Digest::of(&layers[0].packed).hex());
    fs::write(&partial, noise(77, 1_000_000)).unwrap();
    let reference = format!("{}/x:1", registry.address);
    pull(&ground, &reference, &PullOptions::default()).await.unwrap();
    check_layers(&ground, &reference, &layers);

    // One that is longer than it may be.
    let ground = Ground::new();
    fs::write(ground.path("store/downloads").join(Digest::of(&layers[0].packed).hex()), noise(77, 3_000_000)).unwrap();
    pull(&ground, &reference, &PullOptions::default()).await.unwrap();
    check_layers(&ground, &reference, &layers);

    // One that nobody comes back for.
    fs::write(ground.path("store/downloads").join("left-over"), b"x").unwrap();
    assert_eq!(ground.store.gc(&BTreeSet::new()).unwrap().downloads, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_forgets_ranges_or_is_busy_is_coped_with() {
    let registry = Registry::start(None);
    let layers = one_layer();
    registry.push("x", "1", &layers, Behind::Nothing);
    let manners = Manners { cut: Some((600_000, 3)), forget_ranges: true, unavailable: 2, ..Manners::default() };
    let gate = Gate::open(&registry.address, manners).await;
    let ground = Ground::new();
    let reference = format!("{}/x:1", gate.address);
    pull(&ground, &reference, &PullOptions::default()).await.unwrap();
    check_layers(&ground, &reference, &layers);
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_content_is_refused_and_nothing_is_kept() {
    let registry = Registry::start(None);
    registry.push("x", "1", &one_layer(), Behind::Nothing);
    let gate = Gate::open(&registry.address, Manners { corrupt: true, ..Manners::default() }).await;
    let ground = Ground::new();
    let before = ground.stored();
    let refused = pull(&ground, &format!("{}/x:1", gate.address), &PullOptions::default()).await.unwrap_err();
    assert!(matches!(refused.refusal(), Some(Refusal::DigestMismatch { .. })), "{refused}");
    assert_eq!(ground.stored(), before);
    registry.push_with("x", "small", &one_layer(), |manifest| manifest["layers"][0]["size"] = 1_000_000.into());
    let refused = pull(&ground, &format!("{}/x:small", registry.address), &PullOptions::default()).await.unwrap_err();
    assert_eq!(refused.refusal(), Some(&Refusal::SizeMismatch { expected: 1_000_000 }));
    assert_eq!(ground.stored(), before);
    let other = format!("{}/x@{}", registry.address, Digest::of(b"another"));
    assert!(matches!(pull(&ground, &other, &PullOptions::default()).await, Err(ImageError::NotFound(_))));
    assert_eq!(ground.stored(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn users_of_a_registry_need_their_password() {
    let registry = Registry::start(Some("ann:secret"));
    let layers = one_layer();
    registry.push("x", "1", &layers, Behind::Nothing);
    let reference = format!("{}/x:1", registry.address);
    let ground = Ground::new();
    for options in [PullOptions::default(), login("ann", "wrong"), login("bob", "secret")] {
        let denied = pull(&ground, &reference, &options).await.unwrap_err();
        assert!(matches!(denied, ImageError::Denied(_)), "{denied}");
        assert!(!denied.to_string().contains("secret") && !format!("{options:?}").contains("secret"));
    }
    pull(&ground, &reference, &login("ann", "secret")).await.unwrap();
    check_layers(&ground, &reference, &layers);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_fetched_where_the_registry_says_and_sent_to_nobody_else() {
    let registry = Registry::start(None);
    let layers = one_layer();
    registry.push("x", "1", &layers, Behind::Nothing);
    let storage = Gate::open(&registry.address, Manners::default()).await;
    let manners = Manners {
        token_for: Some("ann:secret".into()),
        elsewhere: Some(storage.address.clone()),
        ..Manners::default()
    };
    let gate = Gate::open(&registry.address, manners).await;
    let reference = format!("{}/x:1", gate.address);
    let ground = Ground::new();
    let denied = pull(&ground, &reference, &login("ann", "wrong")).await.unwrap_err();
    assert!(matches!(denied, ImageError::Denied(_)), "{denied}");
    pull(&ground, &reference, &login("ann", "secret")).await.unwrap();
    check_layers(&ground, &reference, &layers);
    assert_eq!(storage.blobs().len(), 2, "the blobs did not come from elsewhere");
    for seen in storage.seen() {
        assert!(!seen.headers.contains_key("authorization"), "a token was sent elsewhere: {seen:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_pulls_at_once_share_the_work() {
    let registry = Registry::start(None);
    let layers = layers();
    registry.push("x", "1", &layers, Behind::Nothing);
    let gate = Gate::open(&registry.address, Manners::default()).await;
    let ground = Ground::new();
    let reference = format!("{}/x:1", gate.address);
    let options = PullOptions::default();
    let (one, two) = tokio::join!(pull(&ground, &reference, &options), pull(&ground, &reference, &options));
    assert_eq!(one.unwrap(), two.unwrap());
    check_layers(&ground, &reference, &layers);
    // Each layer once, the configuration twice.
    assert_eq!(gate.blobs().len(), layers.len() + 2);
}

#[tokio::test]
async fn plain_http_is_for_loopback_unless_it_is_asked_for() {
    let ground = Ground::new();
    // Longer than all tries where nobody answers about names.
    let options = PullOptions { deadline: 3 * PATIENCE, ..PullOptions::default() };
    // A name that exists nowhere: the scheme shows in the error.
    let failed = pull(&ground, "registry.invalid/x:1", &options).await.unwrap_err().to_string();
    assert!(failed.contains("https://"), "{failed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_spoken_to_those_whose_authority_is_trusted() {
    let ground = Ground::new();
    let storage = ground.path("storage").to_string_lossy().into_owned();
    let layers = one_layer();
    Registry::with(&["--storage", &storage]).push("x", "1", &layers, Behind::Nothing);
    let registry = Registry::with(&["--storage", &storage, "--tls"]);
    let reference = format!("{}/x:1", registry.address);
    let tls = PullOptions { transport: Transport::Tls, deadline: PATIENCE, ..PullOptions::default() };
    let stranger = pull(&ground, &reference, &tls).await.unwrap_err().to_string();
    assert!(stranger.contains("UnknownIssuer") || stranger.contains("certificate"), "{stranger}");
    let trusting = PullOptions { authorities: Some(registry.authority.clone()), ..tls };
    pull(&ground, &reference, &trusting).await.unwrap();
    check_layers(&ground, &reference, &layers);
    let wrong = PullOptions { authorities: Some("/etc/hostname".into()), ..trusting };
    assert!(matches!(pull(&ground, &reference, &wrong).await, Err(ImageError::Invalid(_))));
}
