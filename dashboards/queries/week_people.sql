-- title: People outside allowed times
-- about: How many people had an episode outside allowed times from one day to another; shown in the report alone, rounded and small numbers hidden.
-- parameters: school String, from Date, to Date
SELECT
    uniqExact(e.pseudonym) AS people
FROM schoolgate.episode AS e
WHERE e.school = {school:String} AND e.day >= {from:Date} AND e.day <= {to:Date}
