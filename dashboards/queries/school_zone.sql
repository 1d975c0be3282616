-- title: Time zone of the school
-- about: The time zone that the days of the school are counted in.
-- parameters: school String
SELECT
    i.zone AS zone
FROM schoolgate.school_info AS i FINAL
WHERE i.school = {school:String}
