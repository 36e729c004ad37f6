//! Writes a recording in pprof's format.

use std::collections::HashMap;
use std::io::Write as _;
use std::time::UNIX_EPOCH;

use flate2::Compression;
use flate2::write::GzEncoder;
use prost::Message as _;

use crate::message::{Function, Label, Line, Location, Mapping, Profile, Sample, ValueType};
use crate::recording::{Recording, Stack};

/// The names of the labels of a sample.
const THREAD: &str = "thread";
const PLUGIN: &str = "plugin";

impl Recording {
    /// The profile in the format of pprof, compressed by gzip.
    #[must_use]
    pub fn to_pprof(&self) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        // Writing to a vector cannot fail.
        let _ = encoder.write_all(&message(self).encode_to_vec());
        encoder.finish().unwrap_or_default()
    }
}

fn message(recording: &Recording) -> Profile {
    let mut texts = Texts::default();
    // The empty text is the first.
    texts.index("");
    let nanos =
        |duration: std::time::Duration| i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX);
    let period = nanos(recording.period);
    let cpu = ValueType { r#type: texts.index("cpu"), unit: texts.index("nanoseconds") };
    let count = ValueType { r#type: texts.index("samples"), unit: texts.index("count") };
    let sample = recording.stacks.iter().map(|stack| sample(stack, period, &mut texts)).collect();
    let mapping = recording.regions.iter().zip(1..).map(|(region, id)| Mapping {
        id,
        memory_start: region.start,
        memory_limit: region.end,
        file_offset: region.offset,
        filename: texts.index(&region.file),
        build_id: texts.index(&region.build_id),
        has_functions: true,
    });
    let mapping = mapping.collect();
    let location = recording.places.iter().zip(1..).map(|(place, id)| Location {
        id,
        mapping_id: place.region.map_or(0, id_of),
        address: place.address,
        line: vec![Line { function_id: id_of(place.function) }],
    });
    let location = location.collect();
    let function = recording.functions.iter().zip(1..).map(|(function, id)| Function {
        id,
        name: texts.index(&function.name),
        system_name: texts.index(&function.symbol),
        filename: texts.index(&function.file),
    });
    let function = function.collect();
    let comment = recording.notes.iter().map(|note| texts.index(note)).collect();
    let since_1970 = recording.began.duration_since(UNIX_EPOCH).unwrap_or_default();
    Profile {
        // The last one is what is shown unless another is asked for.
        sample_type: vec![count, cpu],
        sample,
        mapping,
        location,
        function,
        string_table: texts.table,
        time_nanos: nanos(since_1970),
        duration_nanos: nanos(recording.took),
        period_type: Some(cpu),
        period,
        comment,
    }
}

fn sample(stack: &Stack, period: i64, texts: &mut Texts) -> Sample {
    let count = i64::try_from(stack.samples).unwrap_or(i64::MAX);
    let mut label = vec![Label { key: texts.index(THREAD), str: texts.index(&stack.thread) }];
    if let Some(plugin) = &stack.plugin {
        label.push(Label { key: texts.index(PLUGIN), str: texts.index(plugin) });
    }
    Sample {
        location_id: stack.places.iter().map(|place| id_of(*place)).collect(),
        value: vec![count, count.saturating_mul(period)],
        label,
    }
}

/// The id of what has this index: 0 stands for none.
fn id_of(index: usize) -> u64 {
    index as u64 + 1
}

/// The table of texts, in which each is once.
#[derive(Default)]
struct Texts {
    table: Vec<String>,
    indices: HashMap<String, i64>,
}

impl Texts {
    fn index(&mut self, text: &str) -> i64 {
        if let Some(index) = self.indices.get(text) {
            return *index;
        }
        let index = i64::try_from(self.table.len()).unwrap_or_default();
        self.table.push(text.to_owned());
        self.indices.insert(text.to_owned(), index);
        index
    }
}
