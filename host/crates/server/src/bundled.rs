//! The plugins that come with the program: linked in, each registers itself.
//!
//! They serve before any file is dropped; a file of the same name in the plugin folder takes a
//! linked plugin's place. Each line below is what keeps its crate in the program.

#![cfg(feature = "bundled")]

use plugbay_plugin_cbor as _;
use plugbay_plugin_csv as _;
use plugbay_plugin_hash as _;
use plugbay_plugin_hello as _;
use plugbay_plugin_json as _;
use plugbay_plugin_msgpack as _;
use plugbay_plugin_render as _;
use plugbay_plugin_toml as _;
use plugbay_plugin_transcode as _;
use plugbay_plugin_yaml as _;
use plugbay_sdk as _;
