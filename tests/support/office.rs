//! A store in a folder of its own, and its desk: what the command line and the admin plane ask, without a server.

use std::sync::Arc;
use strowger::clock::SystemClock;
use strowger::config::{Config, Overrides};
use strowger::control::Desk;
use strowger::store::Store;

pub struct Office {
    pub desk: Desk,
    pub store: Store,
    writer: Option<std::thread::JoinHandle<()>>,
    _dir: tempfile::TempDir,
}

impl Office {
    pub fn open() -> Office {
        let dir = tempfile::tempdir().unwrap();
        let config = Config::load(Overrides { data: Some(dir.path().into()), ..Overrides::default() }).unwrap();
        let (store, writer) = Store::open(&dir.path().join("store"), Arc::new(SystemClock)).unwrap();
        let writer = Some(std::thread::spawn(move || writer.with_snapshot().run()));
        let desk = Desk::new(store.clone(), Arc::new(config.tenants), "ada", None);
        Office { desk, store, writer, _dir: dir }
    }
}

impl Drop for Office {
    fn drop(&mut self) {
        self.store.close();
        drop(self.writer.take().map(std::thread::JoinHandle::join));
    }
}
