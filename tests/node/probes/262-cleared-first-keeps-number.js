// R28: clearing the first timer of a list does not change the number of the list either: of two
// lists with the same expiry the older one comes first. As in 261, the program starts again if it
// missed the millisecond that it needs.
const say = (s) => () => console.log(s);
let start = performance.now();
function main() {
  const a1 = setTimeout(say('A1'), 300);
  const a2 = setTimeout(say('A2'), 300);
  let b;
  do {
    clearTimeout(b);
    b = setTimeout(say('B'), 200);
  } while (b._idleStart < a1._idleStart + 100);
  clearTimeout(a1);
  if (b._idleStart > a1._idleStart + 100) {
    for (const timer of [a2, b]) clearTimeout(timer);
    start = performance.now();
    return main();
  }
  while (performance.now() < start + 500);
}
main();
