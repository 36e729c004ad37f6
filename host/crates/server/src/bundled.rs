//! The plugins that are linked into the program. Each registers itself.
//!
//! They serve without any plugin file. A plugin of the same name in the folder replaces a linked
//! one. Each line below keeps a crate in the program.

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
