# SPDX-License-Identifier: Apache-2.0
"""Reads what Rill wrote with the real readers, and writes with the real writers what Rill shall read.

    read_back.py checkpoint PREFIX    every tensor by tf.train.load_checkpoint; PREFIX.meta if it is there
    read_back.py events DIR           scalars, histograms, images, texts, graph by TensorBoard's EventAccumulator
    read_back.py records FILE         records by tf.data.TFRecordDataset
    read_back.py pbtxt FILE           a GraphDef in text form
    read_back.py run_metadata DIR     RunMetadata of an event directory by TensorBoard, against the graph beside it
    read_back.py timeline FILE        a trace in Chrome's format, by json
    read_back.py functions FILE       a GraphDef with a library, imported and run; each function on its own, too
    read_back.py write DIR            DIR/tf1 and DIR/tf2 (checkpoints), DIR/events, DIR/records by TensorFlow

Needs tensorflow and tensorboard. One fact a line on standard output, values printed with repr.
"""
import os
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"


def checkpoint(prefix):
    import tensorflow as tf

    reader = tf.train.load_checkpoint(prefix)
    for name, shape in sorted(reader.get_variable_to_shape_map().items()):
        value = reader.get_tensor(name)
        dtype = reader.get_variable_to_dtype_map()[name].name
        print(name, dtype, shape, value.tolist() if hasattr(value, "tolist") else value)
    if os.path.exists(prefix + ".meta"):
        meta = tf.compat.v1.MetaGraphDef()
        with open(prefix + ".meta", "rb") as f:
            meta.ParseFromString(f.read())
        with tf.Graph().as_default() as graph:
            tf.import_graph_def(meta.graph_def, name="")
            for op in graph.get_operations():
                print("meta", op.name, op.type, [i.name for i in op.inputs], [str(o.shape) for o in op.outputs])
        print("meta producer", meta.graph_def.versions.producer)
    directory = os.path.dirname(prefix)
    print("latest", os.path.basename(tf.train.latest_checkpoint(directory) or "none"))


def events(logdir):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    acc = EventAccumulator(logdir, size_guidance={"scalars": 0, "histograms": 0, "images": 0, "tensors": 0})
    acc.Reload()
    tags = acc.Tags()
    for tag in sorted(tags["scalars"]):
        print("scalar", tag, [(e.step, e.value) for e in acc.Scalars(tag)])
    for tag in sorted(tags["histograms"]):
        for e in acc.Histograms(tag):
            h = e.histogram_value
            print("histogram", tag, e.step, h.min, h.max, h.num, h.sum, h.sum_squares)
    for tag in sorted(tags["images"]):
        for e in acc.Images(tag):
            import tensorflow as tf

            pixels = tf.io.decode_png(e.encoded_image_string)
            print("image", tag, e.step, e.width, e.height, pixels.numpy().flatten().tolist())
    for tag in sorted(tags["tensors"]):
        for e in acc.Tensors(tag):
            print("tensor", tag, e.step, list(e.tensor_proto.string_val))
    if tags["graph"]:
        from tensorboard.compat.proto import graph_pb2

        graph = graph_pb2.GraphDef()
        graph.ParseFromString(acc.Graph().SerializeToString())
        print("graph", [(n.name, n.op, list(n.input)) for n in graph.node])


def records(path):
    import tensorflow as tf

    print("records", [r.numpy() for r in tf.data.TFRecordDataset(path)])


def pbtxt(path):
    import tensorflow as tf
    from google.protobuf import text_format

    graph = tf.compat.v1.GraphDef()
    with open(path) as f:
        text_format.Parse(f.read(), graph)
    print("pbtxt", [(n.name, n.op, list(n.input), sorted(n.attr)) for n in graph.node])
    print("bytes", graph.SerializeToString(deterministic=True).hex())


def run_metadata(logdir):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorflow.core.protobuf import config_pb2
    from tensorflow.python.client import timeline
    import json

    acc = EventAccumulator(logdir)
    acc.Reload()
    graph = acc.Graph()
    nodes = [("", n) for n in graph.node]  # the graph page has functions of the library as groups of this name
    nodes += [("__function_library__%s/" % f.signature.name, n) for f in graph.library.function for n in f.node_def]
    shapes = {prefix + n.name: n.attr["_output_shapes"].list.shape[0] for prefix, n in nodes if "_output_shapes" in n.attr}
    for tag in acc.Tags()["run_metadata"]:
        raw = acc.RunMetadata(tag).SerializeToString()
        metadata = config_pb2.RunMetadata.FromString(raw)
        print("again", tag, metadata.SerializeToString(deterministic=True).hex())
        for device in metadata.step_stats.dev_stats:
            print("device", device.device, dict(device.thread_names))
            for n in device.node_stats:
                # TensorBoard adds up memory.total_bytes and all_end_rel_micros of the nodes that the graph has
                fits = n.node_name in shapes and all(
                    g.size in (-1, d.size)
                    for g, d in zip(shapes[n.node_name].dim, n.output[0].tensor_description.shape.dim))
                print("node", n.node_name, "known" if fits else "UNKNOWN", n.all_end_rel_micros > 0,
                      sum(m.total_bytes for m in n.memory), n.timeline_label)
        events = json.loads(timeline.Timeline(metadata.step_stats).generate_chrome_trace_format(show_memory=True))
        for e in events["traceEvents"]:
            if e["ph"] == "X" and e["dur"] > 0:
                print("slice", e["name"], e["args"]["name"])


def timeline(path):
    import json

    with open(path) as f:
        trace = json.load(f)
    for e in trace["traceEvents"]:
        if e["ph"] == "X":
            print("slice", e["name"], e["cat"], e["dur"] >= 0, e["args"].get("flops", 0))
        elif e["ph"] == "C":
            print("counter", e["name"], e["args"])
        else:
            print("metadata", e["name"], e["args"]["name"])


def functions(path):
    import tensorflow as tf
    from tensorboard.backend import process_graph
    from tensorflow.python.framework import function_def_to_graph

    definition = tf.compat.v1.GraphDef()
    with open(path, "rb") as f:
        definition.ParseFromString(f.read())
    process_graph.prepare_graph_for_ui(definition)  # as TensorBoard's graph page
    for n in [n for nodes in [definition.node] + [f.node_def for f in definition.library.function] for n in nodes]:
        n.device = ""  # a kernel, which TensorFlow does not know
    with tf.Graph().as_default() as graph, tf.compat.v1.Session() as session:
        tf.import_graph_def(definition, name="")
        for f in definition.library.function:
            body = function_def_to_graph.function_def_to_graph(f, include_library_functions=True)
            print("function", f.signature.name, "valid" if len(body.outputs) == len(f.signature.output_arg) else "INVALID")
        feeds = {"Placeholder:0": [1, 2, 4], "Placeholder_1:0": [[1, 2, 3], [-1, -2, -3], [0.5, 0.25, 1], [-4, 1, 1]]}
        for op in graph.get_operations():
            if op.type != "Placeholder" and len(op.outputs) == 1 and op.outputs[0].dtype == tf.float32:
                value = session.run(op.outputs[0], feeds)
                print("value", op.name, *("%.9g" % v for v in value.flatten()))


def write(directory):
    import numpy as np
    import tensorflow as tf

    v1 = tf.compat.v1
    os.makedirs(directory, exist_ok=True)
    with tf.Graph().as_default(), v1.Session() as session:
        def variable(name, value, **more):
            v1.get_variable(name, initializer=value, use_resource=False, **more)

        for i in range(40):
            variable("layer_%d/kernel" % i, np.full([3, 2], i, np.float32))
        variable("global_step", np.int64(7))
        variable("words", np.array([b"ab", b"", b"c" * 300], dtype=object), dtype=tf.string)
        variable("parts", v1.zeros_initializer(), shape=[4, 2], partitioner=v1.fixed_size_partitioner(2))
        variable("half", np.float16([1, 2]))
        session.run(v1.global_variables_initializer())
        v1.train.Saver().save(session, os.path.join(directory, "tf1"))
        writer = v1.summary.FileWriter(os.path.join(directory, "events"), session.graph)
        values = np.concatenate([np.linspace(-3, 3, 1001), np.zeros(7), [1e-13, 1e25]]).astype(np.float64)
        loss = v1.summary.scalar("loss", tf.constant(0.25))
        histogram = v1.summary.histogram("h", tf.constant(values))
        writer.add_summary(session.run(v1.summary.merge([loss, histogram])), 3)
        writer.close()
    objects = tf.train.Checkpoint(v=tf.Variable([1.0, 2.0]), n=tf.Variable(5, dtype=tf.int64))
    objects.write(os.path.join(directory, "tf2"))
    with tf.io.TFRecordWriter(os.path.join(directory, "records")) as w:
        for r in (b"", b"abc", b"x" * 100000):
            w.write(r)
    print("written by", tf.__version__)


if __name__ == "__main__":
    commands = {"checkpoint": checkpoint, "events": events, "records": records, "pbtxt": pbtxt, "run_metadata": run_metadata,
                "timeline": timeline, "functions": functions, "write": write}
    commands[sys.argv[1]](sys.argv[2])
