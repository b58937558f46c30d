// What sketch.hex is made of: MAIN=sketch.ino sh languages/arduino/build.sh
void setup() { pinMode(13, OUTPUT); pinMode(2, INPUT_PULLUP); pinMode(12, OUTPUT); pinMode(7, OUTPUT); Serial.begin(9600); analogWrite(9, 64); }
void loop() {
  digitalWrite(13, HIGH); delay(100); digitalWrite(13, LOW); delay(100);
  digitalWrite(12, digitalRead(2) == LOW);
  Serial.print(analogRead(A0)); Serial.print(' ');
  while (Serial.available()) Serial.write(toupper(Serial.read()));
  digitalWrite(7, HIGH); delayMicroseconds(1500); digitalWrite(7, LOW);
  if (analogRead(A1) > 1000) { exit(0); }
}
