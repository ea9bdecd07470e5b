// A long computation in portions, the loop alive
function countPrimes(first, last) {
  let count = 0;
  for (let number = first; number <= last; number += 1) {
    let divisor = 2;
    while (divisor * divisor <= number && number % divisor !== 0) divisor += 1;
    if (number > 1 && divisor * divisor > number) count += 1;
  }
  return count;
}

let total = 0;
let first = 1;
function portion() {
  total += countPrimes(first, first + 499);
  first += 500;
  if (first < 3000) setImmediate(portion); // the loop continues in between
  else console.log(`primes: ${total}`);
}
setImmediate(portion);

let turns = 0;
setImmediate(function turn() {
  turns += 1;
  if (first < 3000) setImmediate(turn);
  else console.log(`other callbacks meanwhile: ${turns}`);
});
