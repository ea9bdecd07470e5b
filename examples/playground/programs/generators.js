// An async generator, and for await
async function* countdown(from) {
  for (let at = from; at > 0; at -= 1) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    yield at;
  }
}

async function main() {
  for await (const number of countdown(3)) console.log(number);
  console.log('lift-off');
}

main();
setTimeout(() => console.log('(a timer in between)'), 150);
