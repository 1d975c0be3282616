-- title: Contested episodes
-- about: How many contests of episodes were opened and how many upheld from one day to another, and how many are open.
-- parameters: school String, from Date, to Date, zone String
SELECT
    countIf(toDate(c.opened, {zone:String}) >= {from:Date} AND toDate(c.opened, {zone:String}) <= {to:Date}) AS opened,
    countIf(c.status = 'upheld' AND toDate(c.decided, {zone:String}) >= {from:Date} AND toDate(c.decided, {zone:String}) <= {to:Date}) AS upheld,
    countIf(c.status = 'open') AS open
FROM schoolgate.contest AS c FINAL
WHERE c.school = {school:String}
