//! Watching the files of a store: events say that there may be something new, the content says whether
//! there is. A look every [`POLL_INTERVAL`] finds what no event told, on network file systems and where
//! watches have run out.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{ErrorKind, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{sleep, timeout};

use super::slot::Look;
use super::store::Store;

/// Between two looks without an event.
const POLL_INTERVAL: Duration = Duration::from_secs(10);

/// Between two looks that have to see the same before it is believed; for how long one waits for watches.
const SETTLE_TIME: Duration = Duration::from_millis(250);

/// Takes in what changes in the files of `store`, for as long as it is polled.
pub async fn watch(store: Arc<Store>) {
    if store.paths().is_empty() {
        return std::future::pending().await;
    }
    let changed = Arc::new(Notify::new());
    let mut following = Following::Idle(Folders::new(Arc::clone(&changed)));
    loop {
        loop {
            // The look comes after the watch: nothing falls between them.
            following = following.follow(&store).await;
            if !look(&store).await {
                break;
            }
            sleep(SETTLE_TIME).await;
        }
        tokio::select! {
            // A folder in which others are busy is not looked at for each of their steps.
            () = changed.notified() => sleep(SETTLE_TIME).await,
            () = sleep(POLL_INTERVAL) => {}
        }
    }
}

/// Whether there is to be another look in a moment.
async fn look(store: &Arc<Store>) -> bool {
    let store = Arc::clone(store);
    // Files may lie where reading them blocks.
    let looked = spawn_blocking(move || store.look(Look::Settled).unsettled > 0);
    looked.await.unwrap_or(false)
}

/// The watches on folders, and whether they are being changed.
enum Following {
    Idle(Folders),
    Busy(JoinHandle<Folders>),
}

impl Following {
    /// Has those folders watched in which the files lie now. notify changes a watch when it has read all events
    /// that there are: where others write without a pause that may be never, and looks must not wait for it.
    async fn follow(self, store: &Arc<Store>) -> Self {
        let mut following = match self {
            Self::Busy(following) => following,
            Self::Idle(mut folders) => {
                let store = Arc::clone(store);
                spawn_blocking(move || {
                    folders.watch(folders_of(&store.paths()));
                    folders
                })
            }
        };
        match timeout(SETTLE_TIME, &mut following).await {
            Ok(followed) => Self::Idle(followed.unwrap_or_default()),
            Err(_) => Self::Busy(following),
        }
    }
}

/// The folders in which something changes when a file does: its own, and the one that its symbolic links
/// lead to. Kubernetes changes a link in the first, certbot too.
fn folders_of(files: &[PathBuf]) -> BTreeSet<PathBuf> {
    let mut folders = BTreeSet::new();
    for file in files {
        let resolved = file.canonicalize().ok();
        for path in [Some(file.as_path()), resolved.as_deref()].into_iter().flatten() {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            folders.insert(folder.unwrap_or(Path::new(".")).to_path_buf());
        }
    }
    folders
}

/// Folders whose events are waited for.
#[derive(Default)]
struct Folders {
    /// None where the system has no watches left.
    watcher: Option<RecommendedWatcher>,
    watched: BTreeSet<PathBuf>,
    warned: bool,
}

impl Folders {
    fn new(changed: Arc<Notify>) -> Self {
        let on_event = move |event: notify::Result<Event>| {
            if event.is_ok_and(|event| is_change(&event)) {
                changed.notify_one();
            }
        };
        let mut folders = Self::default();
        match notify::recommended_watcher(on_event) {
            Ok(watcher) => folders.watcher = Some(watcher),
            Err(error) => folders.warn(&error),
        }
        folders
    }

    /// Watches these and no other. All are taken anew: a folder that was replaced by another of its
    /// name would not be heard of any more.
    fn watch(&mut self, folders: BTreeSet<PathBuf>) {
        let mut failed = None;
        let Some(watcher) = &mut self.watcher else { return };
        for folder in &self.watched {
            let _ = watcher.unwatch(folder);
        }
        self.watched.clear();
        for folder in folders {
            match watcher.watch(&folder, RecursiveMode::NonRecursive) {
                Ok(()) => {
                    self.watched.insert(folder);
                }
                // Gone since it was looked up; what comes in its place is found by the next look.
                Err(error) if matches!(error.kind, ErrorKind::PathNotFound) => {}
                Err(error) => failed = Some(error),
            }
        }
        if let Some(error) = failed {
            self.warn(&error);
        }
    }

    fn warn(&mut self, error: &notify::Error) {
        if !std::mem::replace(&mut self.warned, true) {
            tracing::warn!(%error, "no file events, looking at certificates every 10 s instead");
        }
    }
}

/// Whether an event may be about new content; that files are read, by us too, is none.
fn is_change(event: &Event) -> bool {
    match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => false,
        _ => true,
    }
}
