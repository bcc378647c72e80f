// Opens nsfwjs' Inception-v3 for published.py: its manifest and bytes, and its answers to squares.
//   node published.js FOLDER   with nsfwjs and tfjs installed beside it
// FOLDER/squares.bin holds uint8 pictures of 299 x 299 x 3; model.json, weights.bin and answers.bin
// (float32, five numbers a picture) are written into it.
const fs = require("fs");
const path = require("path");
const tf = require("@tensorflow/tfjs");
require("@tensorflow/tfjs-backend-wasm");
const { load } = require("nsfwjs/core");
const { InceptionV3Model } = require("nsfwjs/models/inception_v3");

const SIZE = 299;

async function main(folder) {
  const file = (name) => path.join(folder, name);
  const model = (await InceptionV3Model.modelJson()).default;
  const shards = await Promise.all(InceptionV3Model.weightBundles.map((bundle) => bundle()));
  const bytes = shards.map((shard) => Buffer.from(shard.default, "base64"));
  fs.writeFileSync(file("model.json"), JSON.stringify(model));
  fs.writeFileSync(file("weights.bin"), Buffer.concat(bytes));

  await tf.setBackend("wasm");
  const network = await load("InceptionV3", { modelDefinitions: [InceptionV3Model] });
  const squares = fs.readFileSync(file("squares.bin"));
  const answers = [];
  for (let start = 0; start < squares.length; start += SIZE * SIZE * 3) {
    const square = squares.subarray(start, start + SIZE * SIZE * 3);
    const shape = [SIZE, SIZE, 3];
    const answer = tf.tidy(() => network.infer(tf.tensor3d(Int32Array.from(square), shape, "int32")));
    answers.push(...(await answer.data()));
    answer.dispose();
  }
  fs.writeFileSync(file("answers.bin"), Buffer.from(Float32Array.from(answers).buffer));
}

main(process.argv[2]);
