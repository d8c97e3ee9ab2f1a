//! A file of a switch: read whole where it is one and no larger than such files are.

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// The largest file that is looked at, in bytes; larger ones are somebody's database.
pub(super) const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// A file's text; why not, where it can't be read.
pub(super) fn read(path: &Path) -> Result<String, String> {
    let meta = std::fs::metadata(path).map_err(|e| e.to_string())?;
    if !meta.is_file() {
        // a pipe would be waited for
        return Err("it is no file".to_owned());
    }
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)).map_err(|e| e.to_string())?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(format!("it has more than {FILE_BYTES_MAX} bytes"));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
