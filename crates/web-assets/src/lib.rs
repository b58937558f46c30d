//! The web's files, as `scripts/build-web` left them in `web/dist`, inside the binary. Control serves them. This crate never runs a package manager and
//! reads nothing while the program runs: without `web/dist` it is empty, and control says so. Start at [`find`].

/// The page that every address of the web begins with.
const PAGE: &str = "index.html";
/// What the build writes in place of the nonce of one answer, see `web/vite.config.ts`.
pub const NONCE_PLACE: &str = "__CSP_NONCE__";
/// Files here have their content's hash in their name.
const HASHED: &str = "assets/";

static FILES: &[File] = include!(concat!(env!("OUT_DIR"), "/files.rs"));

/// One file of the web.
#[derive(Debug)]
pub struct File {
    /// Below the root, without the slash at its beginning.
    pub path: &'static str,
    pub plain: &'static [u8],
    /// The same in brotli.
    pub br: Option<&'static [u8]>,
    /// The same in gzip.
    pub gz: Option<&'static [u8]>,
}

impl File {
    /// Whether what has this name will never be anything else.
    pub fn is_immutable(&self) -> bool {
        self.path.starts_with(HASHED)
    }

    /// Its media type, by the end of its name.
    pub fn kind(&self) -> &'static str {
        match self.path.rsplit_once('.').map_or("", |(_, ending)| ending) {
            "html" => "text/html; charset=utf-8",
            "js" => "text/javascript; charset=utf-8",
            "css" => "text/css; charset=utf-8",
            "svg" => "image/svg+xml",
            "png" => "image/png",
            "woff2" => "font/woff2",
            "json" | "webmanifest" => "application/json",
            "txt" => "text/plain; charset=utf-8",
            _ => "application/octet-stream",
        }
    }
}

/// The file of a path that begins with a slash; never the page itself, which is not sent as it lies here.
pub fn find(path: &str) -> Option<&'static File> {
    let path = path.strip_prefix('/')?;
    let at = FILES.binary_search_by(|file| file.path.cmp(path)).ok()?;
    FILES.get(at).filter(|file| file.path != PAGE)
}

/// The page, with `nonce` where styles need it; none where the web was not built.
pub fn page(nonce: &str) -> Option<String> {
    let file = FILES.iter().find(|file| file.path == PAGE)?;
    let text = std::str::from_utf8(file.plain).ok()?;
    Some(text.replace(NONCE_PLACE, nonce))
}

/// Whether there is a web in this binary.
pub fn is_built() -> bool {
    FILES.iter().any(|file| file.path == PAGE)
}
